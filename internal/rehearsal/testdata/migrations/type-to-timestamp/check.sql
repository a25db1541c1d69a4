SELECT count(*) FROM logs;
