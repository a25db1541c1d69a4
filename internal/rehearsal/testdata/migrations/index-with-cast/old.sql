INSERT INTO documents VALUES (2, '{"year": "unknown"}');
