SET ROLE rehearsal_reader;
SELECT 1 / count(*) FROM users;
RESET ROLE;
