INSERT INTO countries VALUES ('FR', 'France'), ('ES', 'Spain');
