SELECT 1 / count(*) FROM orders WHERE id = 4;
