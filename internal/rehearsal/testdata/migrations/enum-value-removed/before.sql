CREATE TYPE state AS ENUM ('open', 'done', 'waiting');
CREATE TABLE tickets (id bigint PRIMARY KEY, state state NOT NULL DEFAULT 'open');
INSERT INTO tickets VALUES (1);
