INSERT INTO schema_migrations VALUES ('20260103000000');
INSERT INTO countries VALUES ('BE', 'Belgium');
