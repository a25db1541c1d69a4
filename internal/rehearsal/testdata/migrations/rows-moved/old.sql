SELECT 1 / count(email) FROM users;
