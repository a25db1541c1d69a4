CREATE TABLE tags (id bigint PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO tags VALUES (1, 'new');
