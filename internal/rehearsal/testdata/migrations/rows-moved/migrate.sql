CREATE TABLE addresses (user_id bigint PRIMARY KEY, email text);
INSERT INTO addresses SELECT id, email FROM users;
UPDATE users SET email = NULL;
