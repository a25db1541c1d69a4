INSERT INTO archive SELECT * FROM orders WHERE id = 7;
