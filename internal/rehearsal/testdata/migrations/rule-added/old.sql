DELETE FROM orders WHERE id = 5;
SELECT 1 / (1 - count(*)) FROM orders WHERE id = 5;
