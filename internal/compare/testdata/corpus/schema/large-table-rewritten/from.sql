INSERT INTO schema_migrations VALUES ('20260103000000');
CREATE TABLE visits (id int, page int);
ALTER TABLE visits ALTER COLUMN page TYPE bigint;
