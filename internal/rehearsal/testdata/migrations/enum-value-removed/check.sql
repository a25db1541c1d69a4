SELECT count(*) FROM tickets;
