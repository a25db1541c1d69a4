ALTER TABLE users RENAME TO people;
CREATE VIEW users AS SELECT id, name, email, status FROM people;
ALTER VIEW users ALTER COLUMN status SET DEFAULT 'active';
