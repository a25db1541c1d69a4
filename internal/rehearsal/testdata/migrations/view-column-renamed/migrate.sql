DROP VIEW open_orders;
CREATE VIEW open_orders AS SELECT id AS order_id FROM orders WHERE processed_at IS NULL;
