REVOKE SELECT ON users FROM rehearsal_reader;
