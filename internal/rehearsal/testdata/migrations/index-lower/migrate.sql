CREATE INDEX users_email_lower ON users (lower(email));
CREATE INDEX orders_code ON orders (code) WHERE code <> 'none';
