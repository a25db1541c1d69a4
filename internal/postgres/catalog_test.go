package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/snapshot"
)

func catalog(t *testing.T, s *Server, db string, o CatalogOptions) snapshot.Catalog {
	t.Helper()
	c, err := s.Catalog(t.Context(), db, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func object(c snapshot.Catalog, kind, name string) *snapshot.Object {
	for i, o := range c.Objects {
		if o.Kind == kind && o.Name == name {
			return &c.Objects[i]
		}
	}
	return nil
}

func dataOf(c snapshot.Catalog, name string) snapshot.TableData {
	for _, t := range c.Tables {
		if t.Table == name {
			return t
		}
	}
	return snapshot.TableData{}
}

func TestCatalogHoldsEveryKindOfObject(t *testing.T) {
	s := open(t)
	makeDatabase(t, "catalog_test", "", everything...)
	run(t, "catalog_test", "ALTER DATABASE catalog_test SET app.jwt_secret = 'hush'", "ALTER DATABASE catalog_test SET work_mem = '8MB'")
	c := catalog(t, s, "catalog_test", CatalogOptions{Rows: 5 * time.Second})
	for _, want := range []string{
		`schema "Ümlaut ""q"""`, "table public.orders", "table public.events_2025", `column "Ümlaut ""q"""."wéird ""tàble"."sélect"`, "column public.customers.shouting", "constraint public.orders: CHECK ((total >= (0)::numeric))",
		"constraint public.customers: UNIQUE (email)", "index public.orders.orders_at", "view public.spent", "materialized view public.spent_once", "function public.touch()", "aggregate public.total_of(integer)",
		"trigger public.orders.touch", "rule public.log.no_delete", "sequence public.invoice", "sequence public.orders.id (sequence)", "sequence public.customers.id (sequence)", "type public.mood", "type public.pair", "type public.span",
		"domain public.email", "extension hstore", "policy public.log.small", "statistics public.both_of", "collation public.loose", "database database",
	} {
		i := slices.IndexFunc(c.Objects, func(o snapshot.Object) bool { return o.Kind+" "+o.Name == want })
		if i < 0 {
			t.Errorf("no %s", want)
		}
	}
	for _, o := range c.Objects {
		if strings.Contains(o.Name, "hstore_") || strings.Contains(o.Name, "pg_toast") || strings.Contains(o.Name, "multirange") {
			t.Errorf("%s %s does not belong here", o.Kind, o.Name)
		}
	}
	if o := object(c, "type", "public.mood"); o.Attributes["labels"] != "'sad', 'ok', 'happy'" {
		t.Errorf("labels: %v", o.Attributes)
	}
	if o := object(c, "column", "public.customers.mood"); o.Attributes["comment"] != "asked daily" || o.Attributes["default"] != "'ok'::public.mood" {
		t.Errorf("column: %v", o.Attributes)
	}
	text, err := json.Marshal(c)
	if err != nil || strings.Contains(string(text), "hush") {
		t.Errorf("a setting of the application is shown, or %v", err)
	}
	if d := dataOf(c, "public.orders"); d.Rows != 2000 || !d.Exact || d.Fingerprint == "" || d.NewestOf != "at" {
		t.Errorf("orders: %+v", d)
	}
	if d := dataOf(c, "public.events"); d.Rows != 400 {
		t.Errorf("a partitioned table: %+v", d)
	}
	// Read again, it is the same; without time for rows, nothing is counted.
	again := catalog(t, s, "catalog_test", CatalogOptions{Rows: 5 * time.Second})
	if b, _ := json.Marshal(again); string(b) != string(text) {
		t.Error("read twice, it differs")
	}
	if d := dataOf(catalog(t, s, "catalog_test", CatalogOptions{}), "public.orders"); d.Exact || d.Fingerprint != "" {
		t.Errorf("counted without time: %+v", d)
	}
}

func TestCatalogBoundsWhatIsLong(t *testing.T) {
	s := open(t)
	makeDatabase(t, "catalog_long", "")
	long := strings.Repeat("5 MB | `tick` <script> ", 5<<20/23)
	read := func(text string) snapshot.Object {
		run(t, "catalog_long", "DROP TABLE IF EXISTS long", "CREATE TABLE long (a text DEFAULT "+literal(text)+")")
		c := catalog(t, s, "catalog_long", CatalogOptions{})
		if b, _ := json.Marshal(c); len(b) > 64<<10 {
			t.Errorf("%d bytes of JSON", len(b))
		}
		return *object(c, "column", "public.long.a")
	}
	a, b, c := read(long), read(long), read(long[:len(long)-1]+"!")
	if a.Attributes["default"] != b.Attributes["default"] || a.Attributes["default"] == c.Attributes["default"] || len(a.Attributes["default"]) > 2000 {
		t.Errorf("a long default: %.80s, %.80s", a.Attributes["default"], c.Attributes["default"])
	}
}

func TestCatalogSaysWhatItMayNotRead(t *testing.T) {
	makeRole(t, "catalog_blind", "")
	makeDatabase(t, "catalog_rights", "", everything...)
	run(t, "catalog_rights", "GRANT SELECT ON customers, log TO catalog_blind", "CREATE TABLE schema_migrations (version bigint, dirty bool)")
	c := catalog(t, openAs(t, "catalog_blind"), "catalog_rights", CatalogOptions{Rows: 5 * time.Second, Reference: []string{"public.*"}})
	for name, want := range map[string]string{
		"public.customers": "", "public.orders": "GRANT SELECT ON public.orders TO catalog_blind", "public.log": "row-level security", "public.schema_migrations": "GRANT SELECT",
		`"Ümlaut ""q"""."wéird ""tàble"`: `GRANT USAGE ON SCHEMA "Ümlaut ""q""" TO catalog_blind`,
	} {
		got := dataOf(c, name)
		if want == "" && got.Error != "" || !strings.Contains(got.Error, want) || want != "" && (got.Fingerprint != "" || got.Exact || got.ByKey != nil) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if object(c, "column", "public.orders.total") == nil {
		t.Error("the schema needs no right on its tables")
	}
}

// Nothing waits for a catalog that is being read: neither who writes nor, once its table has been read, who changes it.
func TestCatalogKeepsNobodyWaiting(t *testing.T) {
	s := open(t)
	makeDatabase(t, "catalog_locks", "", "CREATE TABLE busy (id int PRIMARY KEY, n int); INSERT INTO busy SELECT i, 0 FROM generate_series(1, 1000) i; CREATE VIEW v AS SELECT * FROM busy",
		"CREATE TABLE slow (id int PRIMARY KEY, t text); INSERT INTO slow SELECT i, repeat('x', 500) FROM generate_series(1, 100000) i", "ANALYZE")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	writes := make(chan error, 1)
	writer := session(t, "postgres", "catalog_locks")
	go func() {
		for ctx.Err() == nil {
			if _, err := writer.Exec(context.WithoutCancel(ctx), "SET lock_timeout = 50; UPDATE busy SET n = n + 1 WHERE id = 7"); err != nil {
				writes <- err
				return
			}
			if _, err := writer.Exec(context.WithoutCancel(ctx), "SET lock_timeout = 20000; ALTER TABLE busy ALTER COLUMN n SET DEFAULT 1"); err != nil {
				writes <- err
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		writes <- nil
	}()
	read := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if _, err := s.Catalog(context.WithoutCancel(ctx), "catalog_locks", CatalogOptions{Rows: time.Minute}); err != nil {
				read <- err
				return
			}
		}
		read <- nil
	}()
	// The big table is read last: what is locked then is what stays locked.
	watch := session(t, "postgres", "catalog_locks")
	seen := 0
	for seen < 5 && len(read) == 0 && len(writes) == 0 {
		var pid int
		if err := watch.QueryRow(t.Context(), `SELECT coalesce((SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND datname = 'catalog_locks' AND backend_type = 'client backend' AND state = 'active' AND query LIKE '%count(*)%"slow"%'), 0)`, application).Scan(&pid); err != nil {
			t.Fatal(err)
		}
		if pid == 0 {
			continue
		}
		var locks []string
		if err := watch.QueryRow(t.Context(), "SELECT coalesce(array_agg(DISTINCT c.relname || ' ' || l.mode), '{}') FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = $1 AND c.oid >= 16384 AND c.relname !~ '^(pg_toast|slow)'", pid).Scan(&locks); err != nil {
			t.Fatal(err)
		}
		if len(locks) > 0 {
			t.Errorf("while the last table is read, locked are %v", locks)
		}
		var strong int
		if err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'relation' AND mode <> 'AccessShareLock'", pid).Scan(&strong); err != nil {
			t.Fatal(err)
		}
		if strong > 0 {
			t.Errorf("%d locks are stronger than ACCESS SHARE", strong)
		}
		seen++
	}
	cancel()
	if err := <-writes; err != nil {
		t.Errorf("an application had to wait: %v", err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	if seen == 0 {
		t.Error("the big table was never seen being read")
	}
}

// A table that somebody holds is not waited for.
func TestCatalogDoesNotWaitForLocks(t *testing.T) {
	s := open(t)
	makeDatabase(t, "catalog_held", "", "CREATE TABLE held (id int PRIMARY KEY, n int DEFAULT 3); CREATE TABLE free (id int)")
	holder := session(t, "postgres", "catalog_held")
	if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	c, err := s.Catalog(t.Context(), "catalog_held", CatalogOptions{Rows: 5 * time.Second, Lock: 100 * time.Millisecond})
	if err != nil {
		if !strings.Contains(err.Error(), "lock timeout") {
			t.Fatal(err)
		}
		return // a newer server locks a table to show its default
	}
	if d := dataOf(c, "public.held"); !strings.Contains(d.Error, "locked") || d.Exact {
		t.Errorf("held: %+v", d)
	}
	if d := dataOf(c, "public.free"); !d.Exact || d.Error != "" {
		t.Errorf("free: %+v", d)
	}
}

// tablesVariable is the number of tables, where it is to be another; 10000 is what has been promised.
const tablesVariable = "PROMOTE_CATALOG_TABLES"

func TestCatalogOfManyTables(t *testing.T) {
	tables := 1000
	if n, err := strconv.Atoi(os.Getenv(tablesVariable)); err == nil {
		tables = n
	}
	s := open(t)
	makeDatabase(t, "catalog_many", "")
	for i := range tables / 500 {
		run(t, "catalog_many", fmt.Sprintf("DO $$ BEGIN FOR i IN %d..%d LOOP EXECUTE format('CREATE TABLE t%%s (id int PRIMARY KEY, a text DEFAULT ''x'')', i); END LOOP; END $$", i*500+1, i*500+500))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	started := time.Now()
	c := catalog(t, s, "catalog_many", CatalogOptions{Rows: time.Second})
	took := time.Since(started)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d tables in %s, %d objects, %d MiB", tables, took, len(c.Objects), (after.HeapAlloc-before.HeapAlloc)>>20)
	if len(c.Tables) != tables || len(c.Objects) < 4*tables {
		t.Errorf("%d tables, %d objects", len(c.Tables), len(c.Objects))
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 128<<20 {
		t.Errorf("%d MiB are held", held>>20)
	}
}

func TestMigrationTables(t *testing.T) {
	s := open(t)
	makeDatabase(t, "ledgers_test", "", `
		CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());
		INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false), (3, true);
		CREATE SCHEMA migrate; CREATE TABLE migrate.schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); INSERT INTO migrate.schema_migrations VALUES (7, true);
		CREATE SCHEMA rails; CREATE TABLE rails.schema_migrations (version varchar PRIMARY KEY); INSERT INTO rails.schema_migrations VALUES ('20260102000000'), ('20260101000000');
		CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description text, type text, script text, checksum int, installed_by text, installed_on timestamp DEFAULT now(), execution_time int, success boolean);
		INSERT INTO flyway_schema_history (installed_rank, version, type, script, checksum, success) VALUES (0, NULL, 'SCHEMA', 's', NULL, true), (1, '1', 'SQL', 'V1.sql', 11, true), (2, NULL, 'SQL', 'R__v.sql', 12, true), (3, '2', 'SQL', 'V2.sql', -5, false);
		CREATE TABLE databasechangelog (id text, author text, filename text, dateexecuted timestamp, orderexecuted int, exectype text, md5sum text); INSERT INTO databasechangelog VALUES ('1', 'me', 'a.xml', now(), 1, 'EXECUTED', '8:ab');
		CREATE TABLE django_migrations (id serial, app text, name text, applied timestamptz); INSERT INTO django_migrations (app, name, applied) VALUES ('auth', '0001_initial', now());
		CREATE TABLE alembic_version (version_num varchar(32)); INSERT INTO alembic_version VALUES ('ae1027a6acf');
		CREATE TABLE _prisma_migrations (id text, checksum text, finished_at timestamptz, migration_name text, logs text, rolled_back_at timestamptz, started_at timestamptz DEFAULT now(), applied_steps_count int);
		INSERT INTO _prisma_migrations (migration_name, checksum, finished_at, rolled_back_at) VALUES ('1_a', 'c', now(), NULL), ('2_b', 'd', NULL, NULL), ('2_b', 'd', NULL, now());
		CREATE TABLE knex_migrations (id serial, name text, batch int, migration_time timestamptz); INSERT INTO knex_migrations (name) VALUES ('1_a.js');
		CREATE TABLE migrations (id serial, timestamp bigint, name text); INSERT INTO migrations (timestamp, name) VALUES (17, 'A17');
		CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (change_id text, script_hash text, change text, project text, committed_at timestamptz); INSERT INTO sqitch.changes VALUES ('a', 'h', 'users', 'shop', now());
		CREATE TABLE pgmigrations (id serial, name text, run_on timestamp); INSERT INTO pgmigrations (name) VALUES ('1_a');
		CREATE SCHEMA atlas_schema_revisions; CREATE TABLE atlas_schema_revisions.atlas_schema_revisions (version text, description text, type int, applied int, total int, executed_at timestamptz, error text, hash text);
		INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES ('1', '', 2, 3, 3, now(), NULL, 'h1'), ('2', '', 2, 1, 3, now(), 'boom', 'h2');
		CREATE SCHEMA other; CREATE TABLE other.migrations (id int, title text)`)
	got := map[string][]string{}
	for _, m := range catalog(t, s, "ledgers_test", CatalogOptions{}).Applied {
		text := m.Version
		if m.Checksum != "" {
			text += " #" + m.Checksum
		}
		if m.Failed {
			text += " failed"
		}
		got[m.Table] = append(got[m.Table], text)
	}
	want := map[string][]string{
		"public.goose_db_version": {"1", "3"}, "migrate.schema_migrations": {"7 failed"}, "rails.schema_migrations": {"20260101000000", "20260102000000"},
		"public.flyway_schema_history": {"1 #11", "R__v.sql #12", "2 #-5 failed"}, "public.databasechangelog": {"a.xml me 1 #8:ab"}, "public.django_migrations": {"auth.0001_initial"},
		"public.alembic_version": {"ae1027a6acf"}, "public._prisma_migrations": {"1_a #c", "2_b #d failed"}, "public.knex_migrations": {"1_a.js"}, "public.migrations": {"17 A17"},
		"sqitch.changes": {"shop users #h"}, "public.pgmigrations": {"1_a"}, "atlas_schema_revisions.atlas_schema_revisions": {"1 #h1", "2 #h2 failed"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
