INSERT INTO tickets VALUES (2, 'waiting');
