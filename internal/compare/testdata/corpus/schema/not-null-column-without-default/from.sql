INSERT INTO schema_migrations VALUES ('20260103000000');
ALTER TABLE orders ADD COLUMN channel text;
UPDATE orders SET channel = 'shop';
ALTER TABLE orders ALTER COLUMN channel SET NOT NULL;
