CREATE INDEX documents_year ON documents (((body ->> 'year')::integer));
