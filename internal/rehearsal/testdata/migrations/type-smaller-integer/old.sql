UPDATE counters SET n = 9000000000 WHERE name = 'a';
