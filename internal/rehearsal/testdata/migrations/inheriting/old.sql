SELECT 1 / (2 - count(*)) FROM orders WHERE id = 1;
