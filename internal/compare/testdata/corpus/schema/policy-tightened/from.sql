INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER POLICY everybody ON customers USING (id > 10);
