CREATE TABLE documents (id bigint PRIMARY KEY, body jsonb);
INSERT INTO documents VALUES (1, '{"year": "2026"}');
