UPDATE customers SET nickname = 'nick' WHERE id = 7;
