UPDATE users SET team_id = 1;
