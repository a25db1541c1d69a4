INSERT INTO schema_migrations VALUES ('20260103000000');
CREATE TABLE visits (id int, page int);
CREATE INDEX visits_page ON visits (page);
