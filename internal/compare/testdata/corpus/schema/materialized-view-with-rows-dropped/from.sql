INSERT INTO schema_migrations VALUES ('20260103000000');
-- the view is at the target alone
