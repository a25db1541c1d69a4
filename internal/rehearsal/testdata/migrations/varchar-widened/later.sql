UPDATE orders SET code = repeat('x', 60) WHERE id = 3;
