CREATE SCHEMA audit;
CREATE TABLE audit.entries (id bigint PRIMARY KEY, what text NOT NULL);
