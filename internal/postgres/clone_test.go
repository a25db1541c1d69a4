package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// busyClients connect, write and come back for as long as the test runs.
func busyClients(t *testing.T, db string, n int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var wrote atomic.Int64
	cfg, err := connOf(t, "postgres").config(db)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = "shop"
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
				if err != nil {
					_ = sleep(ctx, 5*time.Millisecond)
					continue
				}
				for ctx.Err() == nil {
					if _, err := conn.Exec(ctx, "INSERT INTO public.log VALUES ('busy', 1)"); err != nil {
						break
					}
					wrote.Add(1)
				}
				closeConn(conn)
			}
		})
	}
	for wrote.Load() < int64(n)*5 {
		time.Sleep(time.Millisecond)
	}
	return func() { cancel(); all.Wait() }
}

func TestCloneAndSwapUnderBusyClients(t *testing.T) {
	s := open(t)
	const db = `shöp "live"`
	makeRole(t, "shop_owner", "")
	makeRole(t, "reader", "")
	makeDatabase(t, db, "OWNER shop_owner CONNECTION LIMIT 50", everything...)
	quoted := ident(db)
	run(t, "postgres", "COMMENT ON DATABASE "+quoted+" IS 'it''s the shop'", "ALTER DATABASE "+quoted+` SET search_path TO "$user", public, "with, comma"`,
		"ALTER DATABASE "+quoted+" SET work_mem = '7MB'", "ALTER DATABASE "+quoted+" SET app.tenant = 'x=y'", "ALTER ROLE reader IN DATABASE "+quoted+" SET statement_timeout = '5s'",
		"REVOKE CONNECT ON DATABASE "+quoted+" FROM PUBLIC", "GRANT CONNECT, TEMP ON DATABASE "+quoted+" TO reader WITH GRANT OPTION")
	stop := busyClients(t, db, 4)
	defer stop()
	stuck := session(t, "postgres", db)
	if _, err := stuck.Exec(t.Context(), "BEGIN; UPDATE public.customers SET mood = 'sad'"); err != nil {
		t.Fatal(err)
	}

	clone, failed := CopyName(db, "clone", "20260304-050607-42"), CopyName(db, "failed", "20260304-050607-42")
	if _, err := s.Clone(t.Context(), db, clone, CloneOptions{}); !errors.Is(err, ErrBusy) {
		t.Fatalf("clone of a busy database: %v", err)
	}
	ended, err := s.Quiesce(t.Context(), db, QuiesceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(ended.Terminated, func(s Session) bool {
		return s.State == "idle in transaction" && s.Application == "shop" && s.User == "postgres" && s.Client == "127.0.0.1"
	}) {
		t.Errorf("the stuck session is not among %v", ended.Terminated)
	}
	if again, err := s.Quiesce(t.Context(), db, QuiesceOptions{}); err != nil || len(again.Terminated) > 0 {
		t.Errorf("quiesce again: %v, %v", again, err)
	}
	var seen []int64
	result, err := s.Clone(t.Context(), db, clone, CloneOptions{ID: "20260304-050607-42", Progress: func(done, _ int64) { seen = append(seen, done) }})
	if err != nil {
		t.Fatal(err)
	}
	strategy := "file_copy"
	if s.Major() >= 18 { // the kernel copies, on a file system without reflinks too
		strategy = "clone"
	}
	if result.Strategy != strategy || result.Bytes < 1<<20 || len(result.Warnings) > 0 || len(seen) == 0 {
		t.Errorf("%+v, progress %v", result, seen)
	}
	if _, err := pgxConnect(t, clone); code(err) != "55000" {
		t.Errorf("the clone lets people in: %v", err)
	}
	schema, err := s.SchemaFingerprint(t.Context(), clone)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.RowFingerprints(t.Context(), clone, RowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgxConnect(t, clone); code(err) != "55000" {
		t.Errorf("the clone lets people in after it was read: %v", err)
	}
	if err := s.Reopen(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context(), db); err != nil {
		t.Fatal("again:", err)
	}
	run(t, db, "DELETE FROM public.orders", "ALTER TABLE public.customers ADD COLUMN x int", "SELECT pg_catalog.set_config('x.y', '', false)")
	run(t, "postgres", "ALTER DATABASE "+quoted+" SET work_mem = '9MB'", "COMMENT ON DATABASE "+quoted+" IS 'changed'")
	waitBusy(t, s, db)

	started := time.Now()
	if err := s.Swap(t.Context(), db, failed, clone); err != nil {
		t.Fatal(err)
	}
	t.Logf("swap in %s", time.Since(started))
	stop()
	if err := s.Swap(t.Context(), db, failed, clone); err != nil {
		t.Fatal("a swap that is done:", err)
	}
	if got, err := s.SchemaFingerprint(t.Context(), db); err != nil || got.Hash != schema.Hash {
		t.Errorf("schema after the swap: %v, %v", DiffSchema(schema, got), err)
	}
	got, err := s.RowFingerprints(t.Context(), db, RowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range DiffRows(rows, got) {
		if !strings.HasPrefix(line, "public.log has ") { // the clients write again
			t.Errorf("rows after the swap: %s", line)
		}
	}
	if c := value(t, "postgres", "shobj_description((SELECT oid FROM pg_database WHERE datname = "+literal(db)+"), 'pg_database')"); c != "it's the shop" {
		t.Errorf("comment %q", c)
	}
	if c := value(t, db, "current_setting('search_path') || ' ' || current_setting('work_mem') || ' ' || current_setting('app.tenant')"); c != `"$user", public, "with, comma" 7MB x=y` {
		t.Errorf("settings %q", c)
	}
	dbs, err := s.Databases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(dbs, func(d Database) bool { return d.Name == failed })
	if i < 0 || dbs[i].Copy == nil || dbs[i].Copy.Comment != "changed" || dbs[i].Copy.Kind != "failed" || dbs[i].AllowConnections {
		t.Errorf("the failed database: %+v", dbs)
	}
	for range 2 {
		if err := s.Drop(t.Context(), failed); err != nil {
			t.Error(err)
		}
	}
	if there, err := s.Exists(t.Context(), failed); there || err != nil {
		t.Errorf("%t, %v", there, err)
	}
}

func pgxConnect(t *testing.T, db string) (*pgx.Conn, error) {
	t.Helper()
	cfg, err := connOf(t, "postgres").config(db)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err == nil {
		closeConn(conn)
	}
	return conn, err
}

func waitBusy(t *testing.T, s *Server, db string) {
	t.Helper()
	for range 500 {
		if list, err := s.OtherSessions(t.Context(), db); err == nil && len(list) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no client came back")
}

func TestTheDatabaseNamedPostgres(t *testing.T) {
	s := open(t)
	run(t, "postgres", "CREATE TABLE app (a int); INSERT INTO app VALUES (1)")
	clone, failed := CopyName("postgres", "clone", "1"), CopyName("postgres", "failed", "1")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, name := range []string{clone, failed} {
			if err := s.Drop(ctx, name); err != nil {
				t.Error(err)
			}
		}
	})
	defer run(t, "postgres", "DROP TABLE app")
	defer session(t, "postgres", "postgres")
	if err := s.Probe(t.Context(), "postgres"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Quiesce(t.Context(), "postgres", QuiesceOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Clone(t.Context(), "postgres", clone, CloneOptions{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context(), "postgres"); err != nil {
		t.Fatal(err)
	}
	run(t, "postgres", "DROP TABLE app")
	if err := s.Swap(t.Context(), "postgres", failed, clone); err != nil {
		t.Fatal(err)
	}
	if n := value(t, "postgres", "SELECT count(*) FROM app"); n != "1" {
		t.Errorf("%s rows", n)
	}
}

func TestSwapStates(t *testing.T) {
	s := open(t)
	makeDatabase(t, "states", "")
	clone, failed := CopyName("states", "clone", "1"), CopyName("states", "failed", "1")
	refused := func(what, want string) {
		t.Helper()
		err := s.Swap(t.Context(), "states", failed, clone)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
		if value(t, "postgres", "SELECT datallowconn FROM pg_database WHERE datname = 'states'") != "true" {
			t.Errorf("%s: the database stays closed", what)
		}
	}
	refused("no clone", "does not exist")
	run(t, "postgres", "CREATE DATABASE "+ident(clone)+" TEMPLATE template0")
	refused("a clone without a mark", "not a complete copy")
	if _, err := s.Clone(t.Context(), "states", clone, CloneOptions{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	run(t, "postgres", "CREATE DATABASE "+ident(failed)+" TEMPLATE template0")
	refused("the name aside is taken", "exists already")
	if err := s.Drop(t.Context(), failed); err != nil {
		t.Fatal(err)
	}
	run(t, "states", "BEGIN; CREATE TABLE p (a int); PREPARE TRANSACTION 'left over'")
	refused("a prepared transaction", "left over")
	bystander := session(t, "postgres", "states")
	if _, err := s.Quiesce(t.Context(), "states", QuiesceOptions{}); !errors.Is(err, ErrPrepared) {
		t.Errorf("quiesce: %v", err)
	}
	if err := bystander.Ping(t.Context()); err != nil {
		t.Errorf("a quiesce that cannot succeed ended a session: %v", err)
	}
	run(t, "states", "ROLLBACK PREPARED 'left over'")
	if err := s.Swap(t.Context(), "states", failed, clone); err != nil {
		t.Fatal(err)
	}
	run(t, "postgres", "ALTER DATABASE states WITH ALLOW_CONNECTIONS false")
	if err := s.Swap(t.Context(), "states", failed, clone); err != nil {
		t.Fatal(err)
	}
	if value(t, "postgres", "SELECT datallowconn FROM pg_database WHERE datname = 'states'") != "true" {
		t.Error("a swap that is done leaves the database closed")
	}
	// Someone dropped the live database by hand and wants the kept one back.
	run(t, "postgres", "DROP DATABASE states")
	if err := s.Swap(t.Context(), "states", clone, failed); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Drop(t.Context(), "states"), s.Swap(t.Context(), "states", "aside", clone)} {
		if !errors.Is(err, ErrNotCopy) {
			t.Errorf("not refused: %v", err)
		}
	}
	if _, err := s.Clone(t.Context(), "states", "template1", CloneOptions{}); !errors.Is(err, ErrNotCopy) {
		t.Errorf("clone over a database: %v", err)
	}
}

func TestWhatAKilledPredecessorLeavesRunning(t *testing.T) {
	s := open(t)
	makeDatabase(t, "predecessor", "", filler)
	clone := CopyName("predecessor", "clone", "1")
	conn, err := s.maintenance(t.Context(), "predecessor")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(conn)
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "CREATE DATABASE "+ident(clone)+" WITH TEMPLATE predecessor STRATEGY wal_log") // the slow one
		ended <- err
	}()
	for value(t, "postgres", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE \"promote%' AND state = 'active'") != "1" {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.Clone(t.Context(), "predecessor", clone, CloneOptions{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; code(err) != "57P01" {
		t.Errorf("the predecessor's copy: %v", err)
	}
	// It died while it had the clone open for reading.
	run(t, "postgres", "ALTER DATABASE "+ident(clone)+" WITH ALLOW_CONNECTIONS true")
	guest := session(t, "postgres", clone)
	if _, err := s.SchemaFingerprint(t.Context(), clone); err != nil {
		t.Fatal(err)
	}
	if _, err := pgxConnect(t, clone); code(err) != "55000" {
		t.Errorf("the clone stays open: %v", err)
	}
	if guest.Ping(t.Context()) == nil {
		t.Error("a guest stays in the clone")
	}
}
