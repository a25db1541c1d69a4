INSERT INTO schema_migrations VALUES ('20260103000000');
DROP TABLE customers;
