CREATE FUNCTION due(d date) RETURNS text LANGUAGE sql AS 'SELECT d::text';
