INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER TABLE customers ALTER COLUMN name TYPE varchar(80);
ALTER TABLE orders ADD CHECK (total >= 0);
ALTER TABLE customers ADD UNIQUE (phone);
