CREATE TABLE bookings (id bigint PRIMARY KEY, during tsrange);
INSERT INTO bookings VALUES (1, '[2026-01-01,2026-01-02)');
