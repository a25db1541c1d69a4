ALTER TABLE users ADD COLUMN note text;
DELETE FROM schema_migrations;
INSERT INTO schema_migrations VALUES (2, false);
