ALTER TABLE tickets ALTER COLUMN state DROP DEFAULT;
ALTER TYPE state RENAME TO state_old;
CREATE TYPE state AS ENUM ('open', 'done');
ALTER TABLE tickets ALTER COLUMN state TYPE state USING state::text::state;
DROP TYPE state_old;
