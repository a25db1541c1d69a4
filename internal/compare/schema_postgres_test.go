package compare_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.StopPostgres()
	os.Exit(code)
}

// lab is a server with databases that go when the test ends.
type lab struct {
	t      *testing.T
	kit    *testkit.Server
	server *postgres.Server
	user   string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return labOn(t, testkit.Postgres(t))
}

func labOn(t *testing.T, kit *testkit.Server) *lab {
	t.Helper()
	l := &lab{t: t, kit: kit, user: kit.User}
	l.server = l.as(kit.User)
	return l
}

func (l *lab) as(user string) *postgres.Server {
	l.t.Helper()
	s, err := postgres.Open(l.t.Context(), postgres.Conn{Host: l.kit.Host(), Port: l.kit.Port, User: user, TLSMode: "disable"})
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (l *lab) connect(db string) *pgx.Conn {
	l.t.Helper()
	conn, err := pgx.Connect(context.WithoutCancel(l.t.Context()), fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", l.kit.Host(), l.kit.Port, l.kit.User, db))
	if err != nil {
		l.t.Fatal(err)
	}
	return conn
}

func (l *lab) run(db string, sql ...string) {
	l.t.Helper()
	conn := l.connect(db)
	defer func() { _ = conn.Close(context.Background()) }()
	for _, q := range sql {
		if _, err := conn.Exec(context.WithoutCancel(l.t.Context()), q); err != nil {
			l.t.Fatalf("%s: %s: %v", db, q, err)
		}
	}
}

func (l *lab) database(name string, sql ...string) {
	l.t.Helper()
	l.copy("template0", name)
	l.run(name, sql...)
}

// copy makes a database out of another, anew where it is there.
func (l *lab) copy(template, name string) {
	l.t.Helper()
	l.run("template1", "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name+" TEMPLATE "+template)
	l.t.Cleanup(func() { l.run("template1", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
}

func (l *lab) side(environment, db string, o postgres.CatalogOptions) *snapshot.Snapshot {
	l.t.Helper()
	c, err := l.server.Catalog(l.t.Context(), db, o)
	if err != nil {
		l.t.Fatal(err)
	}
	c.Server = "db"
	return &snapshot.Snapshot{Environment: environment, Details: &snapshot.Details{Catalogs: []snapshot.Catalog{c}}}
}

// compare reads both, asks the target's rows and returns the findings about the databases.
func (l *lab) compare(from, to string, rules compare.Rules) []compare.Finding {
	l.t.Helper()
	return l.comparison(from, to, rules, nil).Findings
}

func (l *lab) comparison(from, to string, rules compare.Rules, r *compare.Rehearsal) compare.Comparison {
	l.t.Helper()
	o := postgres.CatalogOptions{Rows: 10 * time.Second, Reference: rules.Reference}
	in := compare.Input{From: l.side("development", from, o), To: l.side("staging", to, o), Rules: rules, Rehearsal: r, Now: time.Unix(1, 0)}
	for _, p := range compare.Probes(in.From, in.To, rules) {
		n, err := l.server.Count(l.t.Context(), p.Database, p.Query, 10*time.Second)
		answer := compare.ProbeResult{ID: p.ID, Rows: n}
		if err != nil {
			answer.Error = err.Error()
			l.t.Logf("%s: %s: %v", p.ID, p.Query, err)
		}
		in.Probes = append(in.Probes, answer)
	}
	c := compare.Compare(in)
	c.Findings = slices.DeleteFunc(c.Findings, func(f compare.Finding) bool { return f.Area != compare.Schema })
	return c
}

func summary(f compare.Finding) string {
	text := fmt.Sprintf("%s %s %v", strings.TrimPrefix(f.ID, "schema/"), f.Severity, f.Hazards)
	if f.Rows != nil {
		text += fmt.Sprint(" ", *f.Rows)
	}
	return text
}

func summaries(list []compare.Finding) []string {
	var out []string
	for _, f := range list {
		out = append(out, summary(f))
	}
	slices.Sort(out)
	return out
}

// shop is the target: what it has is what a migration would meet.
const shop = `
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
	CREATE DOMAIN email AS text;
	CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name varchar(40), mail email, mood mood, country text, phone text, old int);
	CREATE TABLE orders (id serial PRIMARY KEY, customer bigint, total numeric(10,2) NOT NULL DEFAULT 0, note text, at timestamptz DEFAULT now(), state text DEFAULT 'new');
	CREATE TABLE empty (id int PRIMARY KEY, a int);
	CREATE INDEX orders_at ON orders (at);
	CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
	CREATE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.2';
	ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
	CREATE POLICY mine ON orders USING (customer > 0);
	INSERT INTO customers (name, mail, mood, country, phone, old) SELECT 'n' || i, CASE WHEN i > 1 THEN 'm' || i || '@x' ELSE 'none' END, (CASE WHEN i <= 2 THEN 'sad' ELSE 'ok' END)::mood, 'c' || i % 5, CASE WHEN i > 3 THEN i::text ELSE 'x' END, nullif(i, 1) FROM generate_series(1, 10) i;
	INSERT INTO orders (customer, total, note) SELECT i, 100 + i / 10.0, CASE WHEN i % 2 = 0 THEN 'n' END FROM generate_series(1, 12) i;`

func TestHazards(t *testing.T) {
	l := newLab(t)
	l.database("hazards_to", shop)
	for _, c := range []struct{ change, want string }{
		{"ALTER TABLE orders ADD COLUMN x int", "column-added/public.orders.x info []"},
		{"ALTER TABLE orders ADD COLUMN x int NOT NULL DEFAULT 3", "column-added/public.orders.x info []"},
		{"ALTER TABLE orders ADD COLUMN x uuid DEFAULT gen_random_uuid()", "column-added/public.orders.x info [rewrites-table]"},
		{"ALTER TABLE orders ADD COLUMN x int; UPDATE orders SET x = 1; ALTER TABLE orders ALTER COLUMN x SET NOT NULL", "column-added/public.orders.x fail [fails-on-rows breaks-old-code] 12"},
		{"ALTER TABLE empty ADD COLUMN x int NOT NULL", "column-added/public.empty.x warn [breaks-old-code] 0"},
		{"ALTER TABLE orders DROP COLUMN note", "column-dropped/public.orders.note fail [deletes-data breaks-old-code] 6"},
		{"ALTER TABLE empty DROP COLUMN a", "column-dropped/public.empty.a warn [breaks-old-code] 0"},
		{"DROP TABLE empty", "table-dropped/public.empty warn [breaks-old-code] 0"},
		{"DROP TABLE customers", "table-dropped/public.customers fail [deletes-data breaks-old-code] 10"},
		{"CREATE TABLE fresh (id int PRIMARY KEY REFERENCES customers (id))", "table-added/public.fresh info []"},
		{"DELETE FROM customers WHERE old IS NULL; ALTER TABLE customers ALTER COLUMN old SET NOT NULL", "column-changed/public.customers.old fail [fails-on-rows breaks-old-code locks-table] 1"},
		{"ALTER TABLE customers ALTER COLUMN country SET NOT NULL", "column-changed/public.customers.country warn [breaks-old-code locks-table] 0"},
		{"ALTER TABLE orders ALTER COLUMN total DROP NOT NULL", "column-changed/public.orders.total info []"},
		{"ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'open'", "column-changed/public.orders.state info [changes-behaviour]"},
		{"ALTER TABLE orders ALTER COLUMN total DROP DEFAULT", "column-changed/public.orders.total warn [breaks-old-code changes-behaviour]"},
		{"TRUNCATE customers; ALTER TABLE customers ADD UNIQUE (country)", "constraint-added/public.customers: UNIQUE (country) fail [fails-on-rows locks-table builds-index] 10"},
		{"TRUNCATE customers; CREATE UNIQUE INDEX one ON customers (lower(country)) WHERE old > 5", "index-added/public.customers.one info [builds-index] 0"},
		{"TRUNCATE customers; CREATE UNIQUE INDEX one ON customers (lower(country)) WHERE old > 4", "index-added/public.customers.one fail [fails-on-rows builds-index] 2"},
		{"ALTER TABLE customers ADD UNIQUE (mail)", "constraint-added/public.customers: UNIQUE (mail) info [locks-table builds-index] 0"},
		{"ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers NOT VALID", "constraint-added/public.orders: FOREIGN KEY (customer) REFERENCES public.customers(id) NOT VALID info [locks-table]"},
		{"DELETE FROM orders WHERE customer > 10; ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers", "constraint-added/public.orders: FOREIGN KEY (customer) REFERENCES public.customers(id) fail [fails-on-rows locks-table] 2"},
		{"TRUNCATE orders; ALTER TABLE orders ADD CONSTRAINT dear CHECK (total > 100.5)", "constraint-added/public.orders.dear fail [fails-on-rows locks-table] 5"},
		{"ALTER TABLE orders ADD CHECK (total > 100)", "constraint-added/public.orders: CHECK ((total > (100)::numeric)) info [locks-table] 0"},
		{"ALTER TABLE customers ALTER COLUMN name TYPE varchar(50)", "column-changed/public.customers.name info [locks-table]"},
		{"ALTER TABLE customers ALTER COLUMN name TYPE text", "column-changed/public.customers.name info [locks-table]"},
		{"DELETE FROM customers WHERE name = 'n10'; ALTER TABLE customers ALTER COLUMN name TYPE varchar(2)", "column-changed/public.customers.name fail [fails-on-rows breaks-old-code rewrites-table locks-table] 1"},
		{"ALTER TABLE customers ALTER COLUMN old TYPE bigint", "column-changed/public.customers.old info [rewrites-table locks-table]"},
		{"ALTER TABLE customers ALTER COLUMN old TYPE smallint", "column-changed/public.customers.old warn [breaks-old-code rewrites-table locks-table] 0"},
		{"DELETE FROM customers WHERE phone = 'x'; ALTER TABLE customers ALTER COLUMN phone TYPE int USING phone::int", "column-changed/public.customers.phone fail [fails-on-rows breaks-old-code rewrites-table locks-table] 3"},
		{"DROP VIEW spent; ALTER TABLE orders ALTER COLUMN total TYPE numeric(12,2); CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer", "column-changed/public.orders.total info [locks-table]"},
		{"DROP VIEW spent; ALTER TABLE orders ALTER COLUMN total TYPE numeric(10,0); CREATE VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer", "column-changed/public.orders.total fail [deletes-data breaks-old-code rewrites-table locks-table] 11"},
		{"ALTER TABLE orders ALTER COLUMN at TYPE date", "column-changed/public.orders.at fail [deletes-data breaks-old-code rewrites-table locks-table] 12"},
		{"DELETE FROM customers WHERE mood = 'sad'; ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('ok', 'happy'); ALTER TABLE customers ALTER COLUMN mood TYPE mood USING mood::text::mood; DROP TYPE mood_old", "type-changed/public.mood fail [fails-on-rows breaks-old-code rewrites-table] 2"},
		{"ALTER TYPE mood ADD VALUE 'elated'", "type-changed/public.mood info []"},
		{"DELETE FROM customers WHERE mail = 'none'; ALTER DOMAIN email ADD CHECK (VALUE ~ '@')", "constraint-added/public.email: CHECK ((VALUE ~ '@'::text)) fail [fails-on-rows locks-table] 1"},
		{"CREATE INDEX ON orders (customer)", "index-added/public.orders: USING btree (customer) info [builds-index]"},
		{"DROP INDEX orders_at", "index-dropped/public.orders.orders_at info []"},
		{"DROP VIEW spent", "view-dropped/public.spent warn [breaks-old-code]"},
		{"CREATE OR REPLACE VIEW spent AS SELECT customer, max(total) AS total FROM orders GROUP BY customer", "view-changed/public.spent info [changes-behaviour]"},
		{"CREATE OR REPLACE FUNCTION tax(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 0.3'", "function-changed/public.tax(numeric) info [changes-behaviour]"},
		{"DROP FUNCTION tax", "function-dropped/public.tax(numeric) warn [breaks-old-code]"},
		{"CREATE TRIGGER once BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "trigger-added/public.orders.once info [changes-behaviour]"},
		{"ALTER POLICY mine ON orders USING (customer > 1)", "policy-changed/public.orders.mine warn [changes-behaviour]"},
		{"ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "table-changed/public.orders warn [changes-behaviour]"},
		{"GRANT SELECT ON orders TO PUBLIC", "grants-changed/public.orders info [changes-behaviour]"},
		{"REVOKE EXECUTE ON FUNCTION tax FROM PUBLIC", "grants-changed/public.tax(numeric) warn [changes-behaviour]"},
		{"COMMENT ON COLUMN orders.note IS 'x'", "comment-changed/public.orders.note info []"},
		{"ALTER TABLE orders SET UNLOGGED", "table-changed/public.orders info [rewrites-table]"},
		{"CREATE EXTENSION hstore", "extension-added/hstore info []"},
		{"ALTER SEQUENCE orders_id_seq INCREMENT 5", "sequence-changed/public.orders.id (sequence) info [changes-behaviour]"},
		{"ALTER TABLE customers ALTER COLUMN id SET GENERATED BY DEFAULT", "column-changed/public.customers.id info [changes-behaviour]"},
		{"ALTER TABLE orders RENAME CONSTRAINT orders_pkey TO orders_key_of_all", "constraint-renamed/public.orders.orders_key_of_all info []"},
		{"ALTER TABLE empty ADD EXCLUDE (a WITH =)", "constraint-added/public.empty: EXCLUDE USING btree (a WITH =) warn [may-fail-on-rows locks-table builds-index]"},
		{"ALTER TABLE orders DROP CONSTRAINT orders_pkey", "constraint-dropped/public.orders: PRIMARY KEY (id) info [changes-behaviour]"},
	} {
		l.copy("hazards_to", "hazards_from")
		l.run("hazards_from", strings.Split(c.change, "; ")...)
		got := summaries(slices.DeleteFunc(l.compare("hazards_from", "hazards_to", compare.Rules{}), func(f compare.Finding) bool { return f.Kind == "rows-differ" }))
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("%s:\n got  %s\n want %s", c.change, strings.Join(got, "\n      "), c.want)
		}
	}
}
