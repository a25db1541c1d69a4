UPDATE users SET colour = 'red';
