INSERT INTO schema_migrations VALUES ('20251231000000');
ALTER TABLE orders ADD COLUMN gift boolean;
