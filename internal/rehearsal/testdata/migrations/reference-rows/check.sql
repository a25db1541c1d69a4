SELECT count(*) FROM countries;
