SELECT name FROM countries WHERE code = 'DE';
INSERT INTO countries VALUES ('IT', 'Italy');
