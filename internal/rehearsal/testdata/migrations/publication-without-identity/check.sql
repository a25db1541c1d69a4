SELECT count(*) FROM marks;
