CREATE EXTENSION citext;
ALTER TABLE users ADD COLUMN contact citext;
