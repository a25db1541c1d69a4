INSERT INTO schema_migrations VALUES ('20260103000000');
UPDATE orders SET total = 5 WHERE total < 5;
ALTER TABLE orders ADD CONSTRAINT orders_dear CHECK (total >= 5);
