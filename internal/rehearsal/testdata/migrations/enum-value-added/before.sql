CREATE TYPE state AS ENUM ('open', 'done');
CREATE TABLE tickets (id bigint PRIMARY KEY, state state NOT NULL);
INSERT INTO tickets VALUES (1, 'open');
