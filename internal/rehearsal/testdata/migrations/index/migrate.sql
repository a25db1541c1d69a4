CREATE INDEX users_status ON users (status);
CREATE INDEX orders_user ON orders USING btree (user_id, id DESC);
