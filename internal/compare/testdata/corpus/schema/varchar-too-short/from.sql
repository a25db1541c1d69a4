INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE customers SET name = left(name, 9);
ALTER TABLE customers ALTER COLUMN name TYPE varchar(9);
