CREATE OR REPLACE FUNCTION total_of(u bigint) RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''use total_of_user''; END';
