SET ROLE rehearsal_reader;
SELECT name FROM users;
RESET ROLE;
