UPDATE users SET handle = 'h' || id;
