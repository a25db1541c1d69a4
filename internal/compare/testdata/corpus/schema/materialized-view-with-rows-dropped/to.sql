CREATE MATERIALIZED VIEW spent_once AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
