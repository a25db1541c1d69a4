package postgres

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestRowFingerprintsSeeEveryChange(t *testing.T) {
	s := open(t)
	makeDatabase(t, "rows_test", "", everything...)
	read := func(o RowOptions) Rows {
		t.Helper()
		r, err := s.RowFingerprints(t.Context(), "rows_test", o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := read(RowOptions{Parallel: 3})
	if again := read(RowOptions{Parallel: 1}); again.Hash != before.Hash || len(DiffRows(before, again)) > 0 || len(before.Missing()) > 0 {
		t.Fatalf("not repeatable: %q, missing %q", DiffRows(before, again), before.Missing())
	}
	for name, count := range map[string]int64{
		"public.customers": 500, "public.events_2025": 213, "public.events_2026": 187, "public.cache": 1, "public.nothing": 1, "public.parent": 1, "public.child": 1,
		`"Ümlaut ""q"""."wéird ""tàble"`: 20, "public.spent_once": 500, "large objects": 3, "sequence public.invoice": 1, "public.documents": 50,
	} {
		if got := before.Tables[name]; got.Count != count || got.Hash == "" {
			t.Errorf("%s: %+v, want %d rows", name, got, count)
		}
	}
	for _, c := range []struct{ change, want string }{
		{"UPDATE orders SET note = 'y' WHERE id = 77", "public.orders has other rows"},
		{"INSERT INTO log VALUES ('same', 1), ('same', 1)", "public.log has 9 rows, was 7"}, // XOR alone would cancel a pair
		{"UPDATE log SET line = 'other', n = 2 WHERE ctid IN (SELECT ctid FROM log WHERE line = 'same' LIMIT 2)", "public.log has other rows"},
		{`UPDATE documents SET doc = '{"a":  1}' WHERE id = 3`, "public.documents has other rows"},
		{"UPDATE documents SET page = '<b/>' WHERE id = 4", "public.documents has other rows"},
		{"UPDATE documents SET place = point(0, 0.5) WHERE id = 4", "public.documents has other rows"},
		{"UPDATE customers SET nick = upper(nick) || '' WHERE id = 9; UPDATE customers SET nick = lower(nick) WHERE id = 9", "public.customers has other rows"},
		{"UPDATE loosely SET name = 'éA'", "public.loosely has other rows"},
		{"UPDATE cache SET v = NULL", "public.cache has other rows"},
		{`UPDATE "Ümlaut ""q"""."wéird ""tàble" SET t = '' WHERE "sélect" = 1`, `"Ümlaut ""q"""."wéird ""tàble" has other rows`},
		{"SELECT nextval('invoice')", "sequence public.invoice is 105 called=true, was 100 called=true"},
		{"SELECT lo_put(4712, 9000, '\\x00')", "large objects has other rows"},
		{"SELECT lo_create(0)", "large objects has 4 rows, was 3"},
		{"UPDATE events SET day = day + 365 WHERE id = 1", "public.events_2026 has 188 rows, was 187"},
		{"CREATE TABLE fresh (a int)", "public.fresh is new (0 rows)"},
		{"REFRESH MATERIALIZED VIEW spent_once; DELETE FROM orders WHERE id = 5; REFRESH MATERIALIZED VIEW spent_once", "public.spent_once has other rows"},
	} {
		before := read(RowOptions{})
		run(t, "rows_test", c.change)
		after := read(RowOptions{})
		if diff := DiffRows(before, after); before.Hash == after.Hash || !slices.ContainsFunc(diff, func(l string) bool { return strings.HasPrefix(l, c.want) }) {
			t.Errorf("%s: %q, want %q", c.change, diff, c.want)
		}
	}
	// 1.0 and 1.00 are equal, and not the same.
	run(t, "rows_test", "CREATE TABLE numbers (n numeric); INSERT INTO numbers VALUES (1.0)")
	plain, exact := read(RowOptions{}), read(RowOptions{Exact: true})
	run(t, "rows_test", "UPDATE numbers SET n = 1.00")
	if diff := DiffRows(plain, read(RowOptions{})); len(diff) > 0 {
		t.Errorf("by value: %q", diff)
	}
	if diff := DiffRows(exact, read(RowOptions{Exact: true})); len(diff) != 1 {
		t.Errorf("by text: %q", diff)
	}
}

func TestUnreadableTablesAreMissing(t *testing.T) {
	makeRole(t, "half_blind", "")
	makeDatabase(t, "blind_test", "", everything...)
	run(t, "blind_test", "GRANT SELECT ON customers, log TO half_blind", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE away (a int) SERVER far")
	s := openAs(t, "half_blind")
	rows, err := s.RowFingerprints(t.Context(), "blind_test", RowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"public.customers": "", "public.orders": "no SELECT privilege", "public.log": "row-level security", "public.away": "foreign table",
		"large objects": "3 of them", "sequence public.invoice": "no SELECT privilege", `"Ümlaut ""q"""."wéird ""tàble"`: "no SELECT privilege",
	} {
		got := rows.Tables[name]
		if want == "" && got.Missing != "" || !strings.Contains(got.Missing, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if diff := DiffRows(rows, rows); len(diff) != len(rows.Missing()) || len(diff) == 0 {
		t.Errorf("what was not read passes: %q", diff)
	}
}

func TestDifference(t *testing.T) {
	s := open(t)
	const db = "difference_test"
	makeDatabase(t, db, "", everything...)
	clone := CopyName(db, "clone", "1")
	if _, err := s.Clone(t.Context(), db, clone, CloneOptions{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Difference(t.Context(), db, clone); err != nil || len(list) > 0 {
		t.Fatalf("equal databases: %v, %v", list, err)
	}
	run(t, db, `
		INSERT INTO customers (email) SELECT 'n' || i || '@x' FROM generate_series(1, 7) i;
		UPDATE customers SET mood = 'sad' WHERE id <= 5;
		DELETE FROM orders WHERE id > 1990;
		ALTER TABLE orders ADD COLUMN fresh int DEFAULT 3;
		UPDATE orders SET note = 'z' WHERE id IN (1, 2);
		INSERT INTO log VALUES ('same', 1), ('same', 1), ('third', 3);
		UPDATE documents SET doc = '{}' WHERE id IN (1, 2, 3);
		UPDATE "Ümlaut ""q"""."wéird ""tàble" SET "sélect" = 100 WHERE "sélect" = 1;
		INSERT INTO events VALUES (1000, '2026-12-31'); UPDATE events SET day = '2026-12-30' WHERE id = 1;
		CREATE TABLE fresh AS SELECT 1 FROM generate_series(1, 9); DROP TABLE cache;
		ALTER TABLE child ALTER COLUMN b TYPE text`,
		`SELECT lo_unlink(4711), lo_put(4712, 0, '\xffff'), lo_create(5000), nextval('invoice')`)
	list, err := s.Difference(t.Context(), db, clone)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range list {
		got[d.Table] = strings.TrimPrefix(d.String(), d.Table+": ")
	}
	want := map[string]string{
		"public.customers":               "7 added, 5 changed, 0 removed",
		"public.orders":                  "0 added, 2 changed, 10 removed (new column fresh)",
		"public.log":                     "3 added, 0 changed, 0 removed",
		"public.documents":               "0 added, 3 changed, 0 removed",
		`"Ümlaut ""q"""."wéird ""tàble"`: "1 added, 0 changed, 1 removed",
		"public.events":                  "2 added, 0 changed, 1 removed",
		"public.fresh":                   "9 added, 0 changed, 0 removed (new table)",
		"public.cache":                   "0 added, 0 changed, 1 removed (table is gone)",
		"public.child":                   "0 added, 0 changed, 0 removed (column b is text, was integer)",
		"large objects":                  "1 added, 1 changed, 1 removed",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if _, err := pgxConnect(t, clone); code(err) != "55000" {
		t.Errorf("the clone is open: %v", err)
	}
}

// Merge must count what a plain comparison of multisets counts.
func TestMergeAgainstCounting(t *testing.T) {
	s := open(t)
	const db = "merge_test"
	makeDatabase(t, db, "", "CREATE TABLE keyed (k int PRIMARY KEY, v int); CREATE TABLE loose (v int)")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	fill := func(rows int) (keyed map[int]int, loose map[int]int, sql []string) {
		keyed, loose = map[int]int{}, map[int]int{}
		for range rows {
			keyed[r.IntN(3000)] = r.IntN(3)
			loose[r.IntN(40)]++
		}
		sql = []string{"TRUNCATE keyed, loose"}
		for k, v := range keyed {
			sql = append(sql, fmt.Sprintf("INSERT INTO keyed VALUES (%d, %d)", k, v))
		}
		for v, n := range loose {
			sql = append(sql, fmt.Sprintf("INSERT INTO loose SELECT %d FROM generate_series(1, %d)", v, n))
		}
		return keyed, loose, []string{strings.Join(sql, ";")}
	}
	baseKeyed, baseLoose, sql := fill(2000)
	run(t, db, sql...)
	clone := CopyName(db, "clone", "1")
	if _, err := s.Clone(t.Context(), db, clone, CloneOptions{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	liveKeyed, liveLoose, sql := fill(2500)
	run(t, db, sql...)
	keyed, loose := TableDifference{Table: "public.keyed"}, TableDifference{Table: "public.loose"}
	for k := range 3000 {
		l, inLive := liveKeyed[k]
		b, inBase := baseKeyed[k]
		switch {
		case inLive && !inBase:
			keyed.Added++
		case inBase && !inLive:
			keyed.Removed++
		case l != b:
			keyed.Changed++
		}
	}
	for v := range 40 {
		loose.Added += int64(max(liveLoose[v]-baseLoose[v], 0))
		loose.Removed += int64(max(baseLoose[v]-liveLoose[v], 0))
	}
	got, err := s.Difference(t.Context(), db, clone)
	if err != nil || len(got) != 2 || got[0].String() != keyed.String() || got[1].String() != loose.String() {
		t.Errorf("got %v, %v; want %v and %v", got, err, keyed, loose)
	}
}
