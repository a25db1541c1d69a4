CREATE DOMAIN phone AS text;
CREATE TABLE people (id bigint PRIMARY KEY, phone phone);
