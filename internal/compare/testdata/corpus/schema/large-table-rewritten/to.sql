CREATE TABLE visits (id int, page int);
INSERT INTO visits SELECT i, i FROM generate_series(1, 120000) i;
ANALYZE visits;
