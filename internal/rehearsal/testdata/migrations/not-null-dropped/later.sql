INSERT INTO users (name) VALUES (NULL);
