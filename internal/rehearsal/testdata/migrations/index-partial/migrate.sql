CREATE INDEX orders_open ON orders (id) WHERE processed_at IS NULL;
