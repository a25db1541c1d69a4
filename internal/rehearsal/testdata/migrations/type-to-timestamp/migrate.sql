ALTER TABLE logs ALTER COLUMN at TYPE timestamptz USING to_timestamp(at);
