INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER TABLE customers DROP COLUMN nickname;
ALTER TABLE customers ADD COLUMN nickname text GENERATED ALWAYS AS (left(name::text, 3)) STORED;
