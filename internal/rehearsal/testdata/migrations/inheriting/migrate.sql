CREATE TABLE archived_orders () INHERITS (orders);
INSERT INTO archived_orders (id, user_id) VALUES (1, 1);
