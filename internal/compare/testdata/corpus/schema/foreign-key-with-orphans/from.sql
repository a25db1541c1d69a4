INSERT INTO schema_migrations VALUES ('20260103000000');
DELETE FROM orders WHERE customer > 600;
ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id);
