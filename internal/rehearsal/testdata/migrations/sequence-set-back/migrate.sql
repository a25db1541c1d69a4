SELECT setval(pg_get_serial_sequence('users', 'id'), 1);
