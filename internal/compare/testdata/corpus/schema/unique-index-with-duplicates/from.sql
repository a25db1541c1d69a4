INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE orders SET reference = 'R' || id;
CREATE UNIQUE INDEX orders_reference ON orders (lower(reference));
