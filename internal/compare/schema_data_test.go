package compare_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/testkit"
)

func objective(c compare.Comparison, id string) compare.Objective {
	for _, o := range c.Objectives {
		if o.ID == id {
			return o
		}
	}
	return compare.Objective{}
}

func TestReferenceTables(t *testing.T) {
	l := newLab(t)
	l.database("reference_to", `
		CREATE TABLE currencies (code text PRIMARY KEY, name text, digits int, created_at timestamptz DEFAULT now());
		CREATE TABLE users (id int PRIMARY KEY, mail text);
		CREATE TABLE rates (country text, kind text, rate numeric, PRIMARY KEY (country, kind));
		CREATE TABLE prices (id int PRIMARY KEY, currency text REFERENCES currencies, owner int REFERENCES users, at timestamptz);
		INSERT INTO currencies SELECT 'C' || i, 'name ' || i, 2 FROM generate_series(1, 20) i;
		INSERT INTO rates SELECT 'L' || i, 'full', i FROM generate_series(1, 5) i;
		INSERT INTO users SELECT i, 'staging' || i FROM generate_series(1, 30) i; INSERT INTO prices SELECT i, 'C1', 1, '2026-01-01' FROM generate_series(1, 30) i`)
	l.copy("reference_to", "reference_from")
	rules := compare.Rules{Reference: []string{"public.rates"}}
	if list := l.compare("reference_from", "reference_to", rules); len(list) > 0 {
		t.Fatalf("a copy differs: %v", summaries(list))
	}
	l.run("reference_from", `UPDATE currencies SET digits = 0 WHERE code = 'C7'; UPDATE currencies SET created_at = '2020-01-01' WHERE code < 'C14'; DELETE FROM currencies WHERE code = 'C9'; INSERT INTO currencies VALUES ('NEW', 'x|y <b>', 2);
		UPDATE users SET mail = 'dev' || id; INSERT INTO prices VALUES (99, 'NEW', 1, '2026-02-02 10:00+00'); UPDATE rates SET rate = 99 WHERE country = 'L2'`)
	c := l.comparison("reference_from", "reference_to", rules, nil)
	var got []string
	for _, f := range c.Findings {
		got = append(got, fmt.Sprintf("%s: %s", f.Kind, f.Message))
	}
	want := []string{
		"reference-differs: reference table public.currencies differs in 3 rows: 1 missing at the target: NEW; 1 only at the target: C9; 1 different: C7",
		"reference-differs: reference table public.rates differs in 1 rows: 1 different: L2, full",
		"rows-differ: public.prices has 31 rows, at the target 30",
		"rows-differ: public.users has other rows at the target, 30 as well",
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if o := objective(c, "schema.reference"); o.Status != promotion.Warn {
		t.Errorf("%+v", o)
	}
}

// What may not be read is missing, never equal.
func TestUnreadableTablesAreMissing(t *testing.T) {
	l := newLab(t)
	l.run("postgres", "DROP ROLE IF EXISTS half_blind", "CREATE ROLE half_blind LOGIN")
	t.Cleanup(func() { l.run("postgres", "DROP ROLE half_blind") })
	l.database("blind_to", "CREATE TABLE open (id int); CREATE TABLE shut (id int); GRANT SELECT ON open TO half_blind")
	l.server = l.as("half_blind")
	c := l.comparison("blind_to", "blind_to", compare.Rules{}, nil)
	o := objective(c, "schema.read")
	if o.Status != promotion.Error || !strings.Contains(o.Why, "GRANT SELECT ON public.shut TO half_blind") {
		t.Errorf("%+v", o)
	}
	for _, a := range c.Areas {
		if a.Area == compare.Schema && (a.Equal || len(a.Missing) == 0) {
			t.Errorf("%+v", a)
		}
	}
}

func TestMigrationsOfBothSides(t *testing.T) {
	l := newLab(t)
	const table = `CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version text, description text, type text, script text, checksum int, installed_by text, installed_on timestamp DEFAULT now(), execution_time int, success boolean);`
	entry := func(rank int, version string, sum int, success bool) string {
		return fmt.Sprintf("INSERT INTO flyway_schema_history (installed_rank, version, type, checksum, success) VALUES (%d, '%s', 'SQL', %d, %t);", rank, version, sum, success)
	}
	for _, c := range []struct {
		name, from, to string
		want           []string
	}{
		{"equal", entry(1, "1", 1, true), entry(1, "1", 1, true), nil},
		{"pending", entry(1, "1", 1, true) + entry(2, "2", 2, true) + "CREATE TABLE n (a int);", entry(1, "1", 1, true), []string{"migrations-pending/public.flyway_schema_history info []", "table-added/public.n info []"}},
		{"missing", entry(1, "1", 1, true), entry(1, "1", 1, true) + entry(2, "2", 2, true), []string{"migration-missing/public.flyway_schema_history/2 warn []"}},
		{"disordered", entry(1, "1", 1, true) + entry(2, "1.9", 2, true) + entry(3, "1.10", 3, true), entry(1, "1", 1, true) + entry(3, "1.10", 3, true), []string{"migration-disordered/public.flyway_schema_history/1.9 warn []", "migrations-pending/public.flyway_schema_history info []"}},
		{"edited", entry(1, "1", 1, true), entry(1, "1", 2, true), []string{"migration-edited/public.flyway_schema_history/1 fail []"}},
		{"failed", entry(1, "1", 1, true), entry(1, "1", 1, false), []string{"migration-failed/public.flyway_schema_history/target/1 fail []"}},
		{"drift", entry(1, "1", 1, true) + "CREATE TABLE n (a int);", entry(1, "1", 1, true), []string{"schema-drift/migrations_to warn []", "table-added/public.n info []"}},
	} {
		l.database("migrations_from", table+c.from)
		l.database("migrations_to", table+c.to)
		if got := summaries(l.compare("migrations_from", "migrations_to", compare.Rules{})); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got  %q\n want %q", c.name, got, c.want)
		}
	}
}

// A rehearsal that met the rows answers what they stand against; it does not bring deleted data back.
func TestRehearsalProves(t *testing.T) {
	l := newLab(t)
	l.database("proved_to", "CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t VALUES (1, NULL, 2)")
	l.copy("proved_to", "proved_from")
	l.run("proved_from", "UPDATE t SET a = 1; ALTER TABLE t ALTER COLUMN a SET NOT NULL; ALTER TABLE t DROP COLUMN b")
	r := &compare.Rehearsal{Migration: []compare.RehearsedJob{{Service: "migrate"}}, Databases: []compare.RehearsedData{{Server: "db", Database: "proved_to"}}}
	for _, c := range []struct {
		rehearsal *compare.Rehearsal
		rows      promotion.Status
	}{{nil, promotion.Fail}, {r, promotion.Pass}, {&compare.Rehearsal{Error: "no", Migration: r.Migration, Databases: r.Databases}, promotion.Fail}} {
		got := l.comparison("proved_from", "proved_to", compare.Rules{}, c.rehearsal)
		if o := objective(got, "schema.rows-fit"); o.Status != c.rows && !(c.rows == promotion.Pass && o.Status == promotion.Warn) {
			t.Errorf("rows: %+v", o)
		}
		if o := objective(got, "schema.data-kept"); o.Status != promotion.Fail {
			t.Errorf("data: %+v", o)
		}
	}
}

// Servers of different major versions show the same expression differently.
func TestSchemasOfDifferentMajors(t *testing.T) {
	if testing.Short() || !testkit.Image(t.Context(), 18) && os.Getenv("CI") != "true" {
		t.Skip("there is no image of PostgreSQL 18")
	}
	old := newLab(t)
	dir, err := os.MkdirTemp("", "promote-compare-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the server's account goes through it
		t.Fatal(err)
	}
	young := labOn(t, testkit.NewPostgresIn(t, 18, dir))
	old.database("majors", shop)
	young.database("majors", shop)
	in := compare.Input{From: old.side("development", "majors", postgres.CatalogOptions{Rows: 10 * time.Second}), To: young.side("staging", "majors", postgres.CatalogOptions{Rows: 10 * time.Second}), Now: time.Unix(1, 0)}
	for _, f := range compare.Compare(in).Findings {
		if f.Area == compare.Schema {
			t.Errorf("%s: %s, %s", f.ID, f.From, f.To)
		}
	}
	young.run("majors", "ALTER TABLE orders ADD COLUMN x int")
	in.To = young.side("staging", "majors", postgres.CatalogOptions{})
	if list := compare.SchemaChanges(&in.From.Details.Catalogs[0], &in.To.Details.Catalogs[0]); len(list) != 1 || list[0].Kind != "column-dropped" {
		t.Errorf("%v", summaries(list))
	}
}

// benchVariable is set by the script that measures.
const benchVariable = "PROMOTE_COMPARE_BENCH"

// TestSpeed prints ratios, each measured in turns in one run: name ours anchor ratio goal.
func TestSpeed(t *testing.T) {
	megabytes, err := strconv.Atoi(os.Getenv(benchVariable))
	if err != nil {
		t.Skip("measured by .github/bench/compare.sh")
	}
	l := newLab(t)
	const schema = `DO $$ BEGIN FOR i IN 1..500 LOOP
		EXECUTE format('CREATE TABLE t%s (id bigserial PRIMARY KEY, a text NOT NULL DEFAULT ''x'', b numeric, c timestamptz DEFAULT now(), d jsonb, CHECK (b > 0))', i);
		EXECUTE format('CREATE INDEX ON t%s (a)', i); END LOOP; END $$`
	l.database("speed_from", schema, "VACUUM ANALYZE pg_class, pg_attribute, pg_constraint, pg_index, pg_depend")
	l.copy("speed_from", "speed_to")
	ours, anchor := inTurns(func() {
		sides := make(chan *snapshot.Snapshot, 2)
		for _, db := range []string{"speed_from", "speed_to"} {
			go func() { sides <- l.side(db, db, postgres.CatalogOptions{}) }()
		}
		a, b := <-sides, <-sides
		if len(compare.SchemaChanges(&a.Details.Catalogs[0], &b.Details.Catalogs[0])) > 0 {
			t.Error("they differ")
		}
	}, func() {
		dumps := make(chan []string, 2)
		for _, db := range []string{"speed_from", "speed_to"} {
			go func() {
				lines := strings.Split(string(l.plainDump(db)), "\n")
				dumps <- slices.DeleteFunc(lines, func(s string) bool { return strings.HasPrefix(s, `\`) }) // a newer pg_dump writes a random word
			}()
		}
		if !slices.Equal(<-dumps, <-dumps) {
			t.Error("the dumps differ")
		}
	})
	line("schema-500-tables", ours, anchor, 0.5)
	l.database("speed_rows", "CREATE TABLE big (id bigint PRIMARY KEY, a text, n numeric, at timestamptz)",
		fmt.Sprintf("INSERT INTO big SELECT i, repeat(md5(i::text), 5), i, now() FROM generate_series(1, %d) i", megabytes*4700), "VACUUM ANALYZE big")
	ours, anchor = inTurns(func() {
		s := l.side("a", "speed_rows", postgres.CatalogOptions{Rows: time.Hour, Statement: time.Hour})
		if d := s.Details.Catalogs[0].Tables[0]; !d.Exact {
			t.Errorf("not counted: %+v", d)
		}
	}, func() { l.run("speed_rows", "SELECT count(*) FROM big") })
	line(fmt.Sprintf("fingerprint-%d-MB", megabytes), ours, anchor, 1.5)
}

// inTurns is the median time of each of two, run five times by turns.
func inTurns(ours, anchor func()) (time.Duration, time.Duration) {
	var took [2][]time.Duration
	for range 5 {
		for i, do := range []func(){ours, anchor} {
			started := time.Now()
			do()
			took[i] = append(took[i], time.Since(started))
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][2], took[1][2]
}

func line(name string, ours, anchor time.Duration, goal float64) {
	ratio, verdict := ours.Seconds()/anchor.Seconds(), "ok"
	if ratio > goal {
		verdict = "short"
	}
	fmt.Printf("%s %.3fs %.3fs %.2f %.2f %s\n", name, ours.Seconds(), anchor.Seconds(), ratio, goal, verdict)
}
