package postgres

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.StopPostgres()
	os.Exit(code)
}

// open returns the shared server as seen by its superuser.
func open(t *testing.T) *Server {
	t.Helper()
	return openAs(t, testkit.Postgres(t).User)
}

func connOf(t *testing.T, user string) Conn {
	t.Helper()
	kit := testkit.Postgres(t)
	return Conn{Host: kit.Host(), Port: kit.Port, User: user, TLSMode: "disable"}
}

func openAs(t *testing.T, user string) *Server {
	t.Helper()
	s, err := Open(t.Context(), connOf(t, user))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// session is a connection of an application in db.
func session(t *testing.T, user, db string) *pgx.Conn {
	t.Helper()
	cfg, err := connOf(t, user).config(db)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = "shop"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeConn(conn) })
	return conn
}

// run executes SQL in db as the superuser.
func run(t *testing.T, db string, sql ...string) {
	t.Helper()
	conn := session(t, "postgres", db)
	defer closeConn(conn)
	for _, q := range sql {
		if _, err := conn.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", firstLine(q), err)
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// value reads one value as text.
func value(t *testing.T, db, query string) string {
	t.Helper()
	conn := session(t, "postgres", db)
	defer closeConn(conn)
	var v *string
	if err := conn.QueryRow(t.Context(), "SELECT ("+query+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if v == nil {
		return "null"
	}
	return *v
}

// makeDatabase makes a database that goes with all copies of it when the test ends.
func makeDatabase(t *testing.T, name, options string, sql ...string) {
	t.Helper()
	run(t, "template1", "CREATE DATABASE "+ident(name)+" TEMPLATE template0 "+options)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		s, err := Open(ctx, connOf(t, "postgres"))
		if err != nil {
			t.Error(err)
			return
		}
		dbs, err := s.Databases(ctx)
		if err != nil {
			t.Error(err)
		}
		for _, d := range dbs {
			if d.Copy != nil && (d.Copy.Of == name || d.Copy.Of == "") {
				if err := s.Drop(ctx, d.Name); err != nil {
					t.Error(err)
				}
			}
		}
		conn, err := s.maintenance(ctx, name)
		if err != nil {
			t.Error(err)
			return
		}
		defer closeConn(conn)
		if err := s.drop(ctx, conn, name); err != nil {
			t.Error(err)
		}
	})
	if len(sql) > 0 {
		run(t, name, sql...)
	}
}

// makeRole makes a role that goes, with what it owns, when the test ends.
func makeRole(t *testing.T, name, options string) {
	t.Helper()
	run(t, "postgres", "CREATE ROLE "+ident(name)+" LOGIN "+options)
	t.Cleanup(func() {
		conn, err := pgx.Connect(context.WithoutCancel(t.Context()), fmt.Sprintf("host=127.0.0.1 sslmode=disable user=postgres dbname=template1 port=%d", testkit.Postgres(t).Port))
		if err != nil {
			t.Error(err)
			return
		}
		defer closeConn(conn)
		if _, err := conn.Exec(context.Background(), "DROP OWNED BY "+ident(name)+"; DROP ROLE "+ident(name)); err != nil {
			t.Errorf("drop role %s: %v", name, err)
		}
	})
}

// everything is a schema with one of each kind that the package has to carry.
var everything = []string{
	`
	CREATE EXTENSION hstore;
	CREATE EXTENSION citext;
	CREATE SCHEMA "Ümlaut ""q""";
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
	CREATE DOMAIN email AS text NOT NULL CHECK (VALUE ~ '@');
	CREATE TYPE pair AS (a int, b text);
	CREATE TYPE span AS RANGE (subtype = float8);
	CREATE SEQUENCE invoice START 100 INCREMENT 5;
	CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email email UNIQUE, mood mood DEFAULT 'ok', tags hstore, nick citext,
		extra jsonb, shouting text GENERATED ALWAYS AS (upper(email::text)) STORED, t int);
	COMMENT ON TABLE customers IS 'who buys';
	COMMENT ON COLUMN customers.mood IS 'asked daily';
	CREATE TABLE orders (id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers (id), total numeric(10,2) CHECK (total >= 0), at timestamptz DEFAULT now());
	CREATE INDEX orders_at ON orders (at DESC) WHERE total > 10;
	CREATE TABLE "Ümlaut ""q"""."wéird ""tàble" ("sélect" int, "t" text, PRIMARY KEY ("sélect"));
	CREATE TABLE documents (id int PRIMARY KEY, doc json, page xml, place point, parts text[], p pair, s span);
	CREATE TABLE log (line text, n int);
	CREATE TABLE nothing ();
	CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v bytea);
	CREATE TABLE events (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
	CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
	CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
	CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
	CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
	CREATE MATERIALIZED VIEW spent_once AS SELECT * FROM spent;
	CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.at = now(); RETURN NEW; END $$;
	CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
	CREATE AGGREGATE total_of (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
	CREATE RULE no_delete AS ON DELETE TO log DO INSTEAD NOTHING;
	ALTER TABLE log ENABLE ROW LEVEL SECURITY;
	CREATE POLICY small ON log USING (n < 100);
	CREATE STATISTICS both_of (dependencies) ON customer, total FROM orders;
	CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE loosely (name text COLLATE loose);
	ALTER TABLE orders ALTER COLUMN total SET STATISTICS 500;
	ALTER TABLE orders ADD COLUMN dropped int; ALTER TABLE orders DROP COLUMN dropped; ALTER TABLE orders ADD COLUMN note text`,
	`INSERT INTO customers (email, tags, nick, extra, t) SELECT 'c' || i || '@example.org', 'a=>1', 'N' || i, jsonb_build_object('i', i), i FROM generate_series(1, 500) i`,
	`INSERT INTO orders (customer, total, note) SELECT 1 + i % 500, i / 7.0, repeat('x', i % 50) FROM generate_series(1, 2000) i`,
	`INSERT INTO "Ümlaut ""q"""."wéird ""tàble" SELECT i, 'ñ' || i FROM generate_series(1, 20) i`,
	`INSERT INTO documents SELECT i, '{"a": 1}', '<a/>', point(i, i), ARRAY['a', NULL], (i, 'b')::pair, '[1,2)' FROM generate_series(1, 50) i`,
	`INSERT INTO log SELECT 'same', 1 FROM generate_series(1, 6); INSERT INTO log VALUES ('other', 2)`,
	`INSERT INTO nothing DEFAULT VALUES; INSERT INTO cache VALUES ('k', '\xdead'); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3); INSERT INTO loosely VALUES ('Éa')`,
	`INSERT INTO events SELECT i, date '2025-06-01' + i FROM generate_series(1, 400) i`,
	`REFRESH MATERIALIZED VIEW spent_once; SELECT nextval('invoice'), setval('orders_id_seq', 5000)`,
	`SELECT lo_from_bytea(4711, '\x010203'), lo_from_bytea(4712, decode(repeat('ab', 5000), 'hex')), lo_create(4713)`,
}
