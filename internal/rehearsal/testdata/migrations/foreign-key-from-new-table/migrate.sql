CREATE TABLE returns (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders);
