SELECT tags -> 0 FROM profiles;
