ALTER TABLE counters ALTER COLUMN n TYPE integer;
