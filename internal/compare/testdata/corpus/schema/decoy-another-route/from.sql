CREATE TYPE kind AS ENUM ('a', 'b', 'c');
CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x');
CREATE TABLE child (id serial PRIMARY KEY, parent int REFERENCES parent (id), kind kind, amount numeric CHECK (amount > 0), UNIQUE (parent, kind));
CREATE INDEX ON child (amount) WHERE amount > 10;
CREATE VIEW big AS SELECT id FROM child WHERE amount > 10;
