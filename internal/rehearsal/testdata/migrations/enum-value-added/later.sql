UPDATE tickets SET state = 'refunded';
