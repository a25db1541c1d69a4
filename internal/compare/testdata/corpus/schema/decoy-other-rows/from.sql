INSERT INTO schema_migrations VALUES ('20260103000000');
DELETE FROM orders WHERE id % 2 = 0;
UPDATE customers SET mood = 'ok';
INSERT INTO orders (customer, total) SELECT 5, 7 FROM generate_series(1, 300);
