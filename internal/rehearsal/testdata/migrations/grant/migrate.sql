GRANT SELECT ON users TO rehearsal_reader;
