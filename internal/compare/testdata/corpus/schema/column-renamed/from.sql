INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER TABLE customers RENAME COLUMN phone TO telephone;
