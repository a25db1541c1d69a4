DROP FUNCTION total_of(bigint);
CREATE FUNCTION total_of(u bigint, currency text) RETURNS numeric LANGUAGE sql AS 'SELECT sum(total) FROM orders WHERE user_id = u';
