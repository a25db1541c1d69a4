CREATE SCHEMA archive;
CREATE TABLE archive.orders (id int PRIMARY KEY, total numeric);
INSERT INTO archive.orders SELECT i, i FROM generate_series(1, 5) i;
