UPDATE orders SET at = at + interval '7 hours' WHERE id % 5 = 0;
