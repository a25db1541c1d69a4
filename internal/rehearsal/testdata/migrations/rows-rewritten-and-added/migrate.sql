INSERT INTO users (name, status) SELECT 'system ' || i, 'hidden' FROM generate_series(1, 5) i;
UPDATE users SET status = 'enabled' WHERE status = 'active';
