package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSchemaFingerprintNamesEveryChange(t *testing.T) {
	s := open(t)
	makeDatabase(t, "schema_test", "", everything...)
	before, err := s.SchemaFingerprint(t.Context(), "schema_test")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"database", "table public.orders", "column public.orders.total", "constraint public.orders.orders_total_check", "index public.orders_at", "view public.spent",
		"materialized view public.spent_once", "function public.touch()", "trigger public.orders.touch", "sequence public.invoice", "type public.mood", "type public.email", "type public.span", "type public.pair",
		"extension hstore", "policy public.log.small", `table "Ümlaut ""q"""."wéird ""tàble"`, "comment on table public.customers", "rule public.log.no_delete", "statistics public.both_of", "aggregate public.total_of(integer)",
	} {
		if _, ok := before.Objects[key]; !ok {
			t.Errorf("no %q", key)
		}
	}
	for key := range before.Objects {
		if strings.Contains(key, "hstore_") || strings.Contains(key, "pg_toast") {
			t.Errorf("%q does not belong here", key)
		}
	}
	for _, c := range []struct{ change, back, want string }{
		{"ALTER TABLE orders ADD COLUMN x int", "ALTER TABLE orders DROP COLUMN x", "column public.orders.x added"},
		{"ALTER TABLE orders ALTER COLUMN total SET DEFAULT 1", "ALTER TABLE orders ALTER COLUMN total DROP DEFAULT", "column public.orders.total changed"},
		{"DROP INDEX orders_at", "CREATE INDEX orders_at ON orders (at DESC) WHERE total > 10", "index public.orders_at removed"},
		{"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_at'::regclass", "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'orders_at'::regclass", "INVALID"},
		{"ALTER TABLE orders DISABLE TRIGGER touch", "ALTER TABLE orders ENABLE TRIGGER touch", "trigger public.orders.touch changed"},
		{"GRANT SELECT ON orders TO PUBLIC", "REVOKE SELECT ON orders FROM PUBLIC", "table public.orders changed"},
		{"ALTER SEQUENCE invoice INCREMENT 7", "ALTER SEQUENCE invoice INCREMENT 5", "sequence public.invoice as changed"},
		{"COMMENT ON TABLE customers IS 'x'", "COMMENT ON TABLE customers IS 'who buys'", "comment on table public.customers changed"},
		{"ALTER POLICY small ON log USING (n < 99)", "ALTER POLICY small ON log USING (n < 100)", "policy public.log.small changed"},
		{"ALTER DATABASE schema_test SET work_mem = '8MB'", "ALTER DATABASE schema_test RESET work_mem", "database changed"},
		{"ALTER TABLE events DETACH PARTITION events_2026", "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')", "table public.events_2026 changed"},
		{"CREATE CAST (mood AS int) WITH INOUT", "DROP CAST (mood AS int)", "cast (public.mood AS integer) added"},
	} {
		run(t, "schema_test", c.change)
		after, err := s.SchemaFingerprint(t.Context(), "schema_test")
		if err != nil {
			t.Fatal(err)
		}
		diff := DiffSchema(before, after)
		if after.Hash == before.Hash || !slices.ContainsFunc(diff, func(l string) bool { return strings.Contains(l, c.want) }) {
			t.Errorf("%s: %q, want %q", c.change, diff, c.want)
		}
		run(t, "schema_test", c.back)
		back, err := s.SchemaFingerprint(t.Context(), "schema_test")
		if err != nil {
			t.Fatal(err)
		}
		if diff := DiffSchema(before, back); back.Hash != before.Hash || len(diff) > 0 {
			t.Errorf("%s: %q", c.back, diff)
		}
	}
	run(t, "schema_test", "ALTER TYPE mood ADD VALUE 'elated'") // cannot be taken back
	after, err := s.SchemaFingerprint(t.Context(), "schema_test")
	if diff := DiffSchema(before, after); err != nil || len(diff) != 1 || !strings.Contains(diff[0], "type public.mood changed") {
		t.Errorf("%q, %v", diff, err)
	}
}

func TestSchemaFingerprintOfFiveHundredTables(t *testing.T) {
	s := open(t)
	makeDatabase(t, "many", "", `DO $$ BEGIN FOR i IN 1..500 LOOP
		EXECUTE format('CREATE TABLE t%s (id bigserial PRIMARY KEY, a text NOT NULL DEFAULT ''x'', b numeric, c timestamptz, d jsonb, CHECK (b > 0))', i);
		EXECUTE format('CREATE INDEX ON t%s (a)', i); END LOOP; END $$`, "ANALYZE pg_class, pg_attribute")
	best := time.Hour
	for range 3 {
		started := time.Now()
		schema, err := s.SchemaFingerprint(t.Context(), "many")
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(started))
		if n := len(schema.Objects); n < 500*9 {
			t.Fatalf("%d objects", n)
		}
	}
	t.Logf("500 tables in %s", best)
	if best > 2*time.Second { // about 0.2 s on an idle machine
		t.Errorf("500 tables took %s", best)
	}
}
