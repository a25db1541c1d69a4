INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE customers SET phone = NULL;
ALTER TABLE customers ALTER COLUMN phone TYPE bigint USING phone::bigint;
