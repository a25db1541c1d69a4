ALTER TABLE events RENAME TO events_old;
CREATE TABLE events (id bigint NOT NULL, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_all PARTITION OF events DEFAULT;
INSERT INTO events SELECT * FROM events_old;
DROP TABLE events_old;
