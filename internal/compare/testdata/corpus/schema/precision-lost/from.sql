INSERT INTO schema_migrations VALUES ('20260103000000');
DROP VIEW spent;
ALTER TABLE orders ALTER COLUMN total TYPE numeric(10,0);
CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
