CREATE TABLE teams (id bigint PRIMARY KEY);
INSERT INTO teams VALUES (1);
ALTER TABLE users ADD COLUMN team_id bigint REFERENCES teams;
