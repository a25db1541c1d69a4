UPDATE marks SET n = 2;
