INSERT INTO events VALUES ('2026-06-01', 'b');
SELECT at, what FROM events;
