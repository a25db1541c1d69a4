INSERT INTO schema_migrations VALUES ('20260103000000');
-- the schema is at the target alone
