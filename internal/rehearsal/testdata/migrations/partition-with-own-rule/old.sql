INSERT INTO events VALUES ('2027-06-01', 'long enough');
