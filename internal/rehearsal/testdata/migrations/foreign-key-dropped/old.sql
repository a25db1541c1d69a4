SELECT 1 / CASE WHEN u.id IS NULL THEN 0 ELSE 1 END FROM orders o LEFT JOIN users u ON u.id = o.user_id;
