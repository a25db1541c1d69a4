INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER TABLE countries RENAME TO lands;
