COMMENT ON TABLE users IS 'people';
ALTER TABLE orders SET (fillfactor = 70);
ALTER TABLE users ALTER COLUMN name SET STATISTICS 500;
CREATE STATISTICS users_stat ON status, name FROM users;
