CREATE SEQUENCE invoice_numbers START 1000;
SELECT nextval('invoice_numbers');
