UPDATE users SET nickname = 'n';
