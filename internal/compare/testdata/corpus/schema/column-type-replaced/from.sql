INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER TABLE customers DROP COLUMN born;
ALTER TABLE customers ADD COLUMN born int;
