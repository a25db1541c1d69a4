UPDATE users SET status = upper(status);
