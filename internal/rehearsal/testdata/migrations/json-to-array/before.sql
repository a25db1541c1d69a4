CREATE TABLE profiles (id bigint PRIMARY KEY, tags jsonb);
INSERT INTO profiles VALUES (1, '[]');
