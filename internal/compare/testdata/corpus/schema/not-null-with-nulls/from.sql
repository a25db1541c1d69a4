INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE customers SET phone = '' WHERE phone IS NULL;
ALTER TABLE customers ALTER COLUMN phone SET NOT NULL;
