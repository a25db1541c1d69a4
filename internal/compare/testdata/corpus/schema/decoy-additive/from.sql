INSERT INTO schema_migrations VALUES ('20260103000000');
CREATE TABLE vouchers (id serial PRIMARY KEY, customer bigint REFERENCES customers (id), code text UNIQUE);
ALTER TABLE orders ADD COLUMN gift boolean NOT NULL DEFAULT false;
ALTER TABLE customers ADD COLUMN title text;
CREATE INDEX ON orders (customer);
ALTER TYPE order_state ADD VALUE 'returned';
COMMENT ON TABLE orders IS 'what was ordered';
