UPDATE users SET age = 30;
