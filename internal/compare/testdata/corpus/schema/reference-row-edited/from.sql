INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE countries SET name = 'Italia' WHERE code = 'IT';
