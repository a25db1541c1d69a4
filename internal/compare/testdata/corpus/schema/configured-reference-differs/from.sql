INSERT INTO schema_migrations VALUES ('20260103000000');
TRUNCATE drafts;
INSERT INTO drafts VALUES (1, 'a'), (2, 'b');
