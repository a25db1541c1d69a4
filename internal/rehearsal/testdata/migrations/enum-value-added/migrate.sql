ALTER TYPE state ADD VALUE 'refunded';
