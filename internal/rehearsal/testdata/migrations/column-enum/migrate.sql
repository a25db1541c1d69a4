CREATE TYPE colour AS ENUM ('red', 'green');
ALTER TABLE users ADD COLUMN colour colour;
