-- The target's database. from.sql of a case is what the source's migration has done to a copy of it, to.sql what is peculiar to
-- the target's.
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE order_state AS ENUM ('new', 'paid', 'sent');
CREATE DOMAIN email AS text;
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
INSERT INTO countries VALUES ('AT', 'Austria'), ('CH', 'Switzerland'), ('DE', 'Germany'), ('FR', 'France'), ('IT', 'Italy'), ('NL', 'Netherlands');
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name varchar(40) NOT NULL,
  mail email,
  mood mood,
  country text REFERENCES countries (code),
  phone text,
  born date,
  nickname text
);
CREATE TABLE orders (
  id serial PRIMARY KEY,
  customer bigint,
  total numeric(10,2) NOT NULL DEFAULT 0,
  note text,
  at timestamptz NOT NULL DEFAULT '2026-01-01 00:00:00+00',
  state order_state NOT NULL DEFAULT 'new',
  reference text
);
CREATE INDEX orders_at ON orders (at);
CREATE TABLE drafts (id int PRIMARY KEY, text text);
CREATE TABLE schema_migrations (version text PRIMARY KEY);
INSERT INTO schema_migrations VALUES ('20260101000000'), ('20260102000000');
INSERT INTO customers (name, mail, mood, country, phone, born)
  SELECT 'customer ' || i, CASE WHEN i = 3 THEN 'none' ELSE 'c' || i || '@example.org' END, (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::mood,
         (ARRAY['AT', 'CH', 'DE'])[1 + i % 3], CASE WHEN i % 4 = 0 THEN NULL ELSE '+43 1 ' || 1000 + i END, DATE '1980-01-01' + i
  FROM generate_series(1, 600) i;
INSERT INTO orders (customer, total, note, state, reference)
  SELECT 1 + i % 620, i * 1.25, CASE WHEN i % 3 = 0 THEN 'leave at the door' END, (ARRAY['new', 'paid', 'sent'])[1 + i % 3]::order_state, 'R' || i / 2
  FROM generate_series(1, 900) i;
CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
CREATE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.2';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.at := now(); RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION touch();
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON customers USING (true);
