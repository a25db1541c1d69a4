SELECT 1 / count(*) FROM users WHERE status = 'active';
