CREATE UNIQUE INDEX orders_code ON orders (code);
