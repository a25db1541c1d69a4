INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE orders SET reference = 'R' || id;
ALTER TABLE orders ADD UNIQUE (reference);
