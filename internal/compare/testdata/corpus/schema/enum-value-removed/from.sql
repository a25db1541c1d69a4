INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE customers SET mood = 'ok' WHERE mood = 'sad';
ALTER TYPE mood RENAME TO mood_before;
CREATE TYPE mood AS ENUM ('ok', 'happy');
ALTER TABLE customers ALTER COLUMN mood TYPE mood USING mood::text::mood;
DROP TYPE mood_before;
