ALTER TABLE orders ADD COLUMN by_hand text;
