ALTER TABLE profiles ALTER COLUMN tags TYPE text[] USING ARRAY[tags::text];
