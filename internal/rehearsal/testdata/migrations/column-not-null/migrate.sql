ALTER TABLE users ADD COLUMN tenant bigint;
UPDATE users SET tenant = 1;
ALTER TABLE users ALTER COLUMN tenant SET NOT NULL;
