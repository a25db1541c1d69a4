INSERT INTO users (name) VALUES ('Ada');
UPDATE users SET name = name || '!' WHERE id = 1;
SELECT id, name, email, status FROM users WHERE status = 'active';
INSERT INTO orders (user_id, total) VALUES (2, 10);
SELECT o.id, u.name FROM orders o JOIN users u ON u.id = o.user_id;
DELETE FROM orders WHERE id = 5;
SELECT total_of(1);
