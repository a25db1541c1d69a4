CREATE SCHEMA rehearsal_reader;
CREATE TABLE rehearsal_reader.users (id bigint);
GRANT USAGE ON SCHEMA rehearsal_reader TO rehearsal_reader;
GRANT SELECT ON rehearsal_reader.users TO rehearsal_reader;
