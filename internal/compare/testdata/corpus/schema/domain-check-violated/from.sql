INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE customers SET mail = NULL WHERE mail = 'none';
ALTER DOMAIN email ADD CHECK (VALUE ~ '@');
