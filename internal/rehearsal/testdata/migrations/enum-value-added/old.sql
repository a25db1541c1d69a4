SELECT 1 / CASE state::text WHEN 'open' THEN 1 WHEN 'done' THEN 1 ELSE 0 END FROM tickets;
