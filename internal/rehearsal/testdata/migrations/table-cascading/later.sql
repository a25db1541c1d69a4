INSERT INTO returns (order_id, reason) VALUES (5, 'broken');
