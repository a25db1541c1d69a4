INSERT INTO drafts VALUES (1, 'z'), (9, 'y');
