CREATE TABLE marks (n bigint);
INSERT INTO marks VALUES (1);
