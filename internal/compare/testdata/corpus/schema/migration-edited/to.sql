CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version text, description text, type text, script text, checksum int, installed_by text, installed_on timestamp DEFAULT '2026-01-01', execution_time int, success boolean);
INSERT INTO flyway_schema_history (installed_rank, version, type, checksum, success) VALUES (1, '1', 'SQL', 11, true), (2, '2', 'SQL', 23, true);
