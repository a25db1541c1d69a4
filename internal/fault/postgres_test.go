package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
	"github.com/org/promote-action/internal/testkit"
)

// server is a real PostgreSQL server below a world.
type server struct {
	t      *testing.T
	kit    *testkit.Server
	tools  postgres.LocalTools
	random *rand.Rand
	world  *World
	crash  bool
}

// Reset implements Backend.
func (s *server) Reset(w *World) {
	s.world = w
	ctx := context.Background()
	conn := s.must(ctx, "postgres")
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 'promote.%' OR datname IN ('shop', 'billing')`)
	if err != nil {
		s.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if _, err := conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			s.t.Fatal(err)
		}
	}
	for i := range w.Shape.Databases {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+dbName(i)); err != nil {
			s.t.Fatal(err)
		}
		db := s.must(ctx, dbName(i))
		if _, err := db.Exec(ctx, `CREATE TABLE orders (key text PRIMARY KEY); INSERT INTO orders VALUES ('seed')`); err != nil {
			s.t.Fatal(err)
		}
		_ = db.Close(ctx)
	}
}

func (s *server) must(ctx context.Context, name string) *pgx.Conn {
	s.t.Helper()
	conn, err := s.connect(ctx, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func (s *server) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s dbname='%s' sslmode=disable", s.kit.Host(), s.kit.Port, s.kit.User, name))
}

func (s *server) exec(name string, sql string, args ...any) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := s.connect(ctx, name)
	if err != nil {
		return false
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, args...)
	return err == nil
}

// Insert implements Backend.
func (s *server) Insert(db, key string) bool {
	return s.exec(db, "INSERT INTO orders VALUES ($1)", key)
}

// Change implements Backend.
func (s *server) Change(db, change string, deletes bool) bool {
	sql := `ALTER TABLE orders ADD COLUMN IF NOT EXISTS "` + change + `" text`
	if deletes {
		sql += "; DELETE FROM orders WHERE key = 'seed'"
	}
	return s.exec(db, sql)
}

// Crash implements Backend: the next operation meets a server that dies in the middle of it.
func (s *server) Crash() { s.crash = true }

// Sync implements Backend.
func (s *server) Sync(w *World) error {
	ctx := context.Background()
	pg, err := s.open(ctx)
	if err != nil {
		return err
	}
	list, err := pg.Databases(ctx)
	if err != nil {
		return err
	}
	clear(w.Databases)
	for _, d := range list {
		if d.IsTemplate {
			continue
		}
		db := &DB{OID: int(d.OID), Open: d.AllowConnections, Rows: map[string]string{}, Copy: d.Copy != nil}
		db.Complete = d.Copy != nil && d.Copy.ID != ""
		w.Databases[d.Name] = db
		if d.Copy != nil || d.Name == "postgres" || !d.AllowConnections {
			continue
		}
		if err := s.read(ctx, d.Name, db); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) read(ctx context.Context, name string, db *DB) error {
	conn, err := s.connect(ctx, name)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "SELECT key FROM orders")
	if err != nil {
		return err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, k := range keys {
		db.Rows[k] = "written"
	}
	db.Schema = []string{"1"}
	rows, err = conn.Query(ctx, "SELECT attname::text FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 1 AND NOT attisdropped ORDER BY attnum")
	if err != nil {
		return err
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	db.Schema = append(db.Schema, columns...)
	return err
}

func (s *server) conn() postgres.Conn {
	return postgres.Conn{Host: s.kit.Host(), Port: s.kit.Port, User: s.kit.User, TLSMode: "disable"}
}

func (s *server) open(ctx context.Context) (*postgres.Server, error) {
	return postgres.Open(ctx, s.conn())
}

// Server implements Backend.
func (s *server) Server() step.Database { return adapter{s} }

// adapter makes the server a step.Database, with moments around every operation and a crash within.
type adapter struct{ s *server }

func (a adapter) op(ctx context.Context, name string, effect func(pg *postgres.Server) error) error {
	return a.s.world.op(ctx, name, func() error {
		back := a.s.strike()
		defer back()
		pg, err := a.s.open(ctx)
		if err != nil {
			return err
		}
		return effect(pg)
	})
}

// strike kills the server a moment from now, when that is due, and starts it again. What it returns waits for that.
func (s *server) strike() func() {
	if !s.crash {
		return func() {}
	}
	s.crash = false
	after := time.Duration(s.random.IntN(40)) * time.Millisecond
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(after)
		if err := s.kit.Kill(); err != nil {
			s.t.Error(err)
		}
		if err := s.kit.Start(); err != nil {
			s.t.Error(err)
		}
	}()
	return func() { <-done }
}

func (a adapter) Close(ctx context.Context, name string) ([]string, error) {
	var lines []string
	err := a.op(ctx, "close "+name, func(pg *postgres.Server) error {
		sessions, err := pg.Quiesce(ctx, name, postgres.QuiesceOptions{})
		for _, s := range sessions.Terminated {
			lines = append(lines, s.String())
		}
		return err
	})
	return lines, err
}

func (a adapter) Open(ctx context.Context, name string) error {
	return a.op(ctx, "open "+name, func(pg *postgres.Server) error { return pg.Reopen(ctx, name) })
}

func (a adapter) Fingerprint(ctx context.Context, name string, _ func(done, total int64)) (step.Fingerprint, error) {
	f := step.Fingerprint{Tables: map[string]step.Table{}}
	err := a.op(ctx, "fingerprint "+name, func(pg *postgres.Server) error {
		schema, err := pg.SchemaFingerprint(ctx, name)
		if err != nil {
			return err
		}
		rows, err := pg.RowFingerprints(ctx, name, postgres.RowOptions{})
		if err != nil {
			return err
		}
		f.Schema, f.Objects = schema.Hash, schema.Objects
		for table, r := range rows.Tables {
			f.Tables[table] = step.Table{Rows: r.Count, Hash: r.Hash, Missing: r.Missing}
		}
		return nil
	})
	return f, err
}

func (a adapter) Clone(ctx context.Context, name, as, id string) (string, error) {
	var how string
	err := a.op(ctx, "clone "+name, func(pg *postgres.Server) error {
		r, err := pg.Clone(ctx, name, as, postgres.CloneOptions{ID: id})
		how = r.Strategy
		return err
	})
	return how, err
}

func (a adapter) Swap(ctx context.Context, name, aside, in string) error {
	return a.op(ctx, "swap "+name, func(pg *postgres.Server) error { return pg.Swap(ctx, name, aside, in) })
}

func (a adapter) Exists(ctx context.Context, name string) (bool, error) {
	var exists bool
	err := a.op(ctx, "exists "+name, func(pg *postgres.Server) (err error) {
		exists, err = pg.Exists(ctx, name)
		return err
	})
	return exists, err
}

func (a adapter) Drop(ctx context.Context, name string) error {
	return a.op(ctx, "drop "+name, func(pg *postgres.Server) error { return pg.Drop(ctx, name) })
}

func (a adapter) Dump(ctx context.Context, name, file string, _ func(done, total int64)) (step.Dump, error) {
	var d step.Dump
	var out bytes.Buffer
	var info postgres.DumpInfo
	err := a.op(ctx, "dump "+name, func(pg *postgres.Server) (err error) {
		info, err = pg.Dump(ctx, postgres.Client{Tools: a.s.tools, Conn: a.s.conn()}, name, &out, postgres.DumpOptions{})
		return err
	})
	if err != nil {
		return d, err
	}
	data, err := json.Marshal(info)
	if err != nil {
		return d, err
	}
	p := point{a.s.world}
	if err := errors.Join(p.Write(file, out.Bytes()), p.Write(file+".info", data)); err != nil {
		return d, err
	}
	return step.Dump{Raw: info.RawBytes, Size: info.Bytes, SHA256: info.SHA256, Tables: info.TableData}, nil
}

func (a adapter) Load(ctx context.Context, file, into, id string, _ func(done, total int64)) error {
	p := point{a.s.world}
	dump, err := p.Read(file)
	if err != nil {
		return err
	}
	data, err := p.Read(file + ".info")
	if err != nil {
		return err
	}
	var info postgres.DumpInfo
	if err := json.Unmarshal(data, &info); err != nil {
		return err
	}
	return a.op(ctx, "load "+into, func(pg *postgres.Server) error {
		_, err := pg.Restore(ctx, postgres.Client{Tools: a.s.tools, Conn: a.s.conn()}, bytes.NewReader(dump), into, postgres.RestoreOptions{Info: info, ID: id})
		return err
	})
}

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.StopPostgres()
	os.Exit(code)
}

// TestPostgresCampaign plays cases on a real PostgreSQL server that is killed in the middle of its operations.
// PROMOTE_FAULT_POSTGRES_RUNS says how many; the seed is PROMOTE_FAULT_SEED.
func TestPostgresCampaign(t *testing.T) {
	runs := number(t, "PROMOTE_FAULT_POSTGRES_RUNS", 3)
	seed := number(t, "PROMOTE_FAULT_SEED", uint64(time.Now().UnixNano()))
	only := number(t, "PROMOTE_FAULT_ONLY", runs)
	t.Logf("seed %d", seed)
	kit := testkit.NewPostgres(t)
	s := &server{t: t, kit: kit, tools: postgres.LocalTools{Bin: kit.Bin, Work: t.TempDir()}}
	dir := workdir(t)
	outcomes := map[promotion.Outcome]int{}
	violations := 0
	started := time.Now()
	for n := range runs {
		if only != runs && n != only {
			continue
		}
		s.random = rand.New(rand.NewPCG(seed, 1<<32+n))
		c := choosePostgres(s.random)
		r := play(dir, c, s, 200*time.Millisecond)
		outcomes[r.Outcome]++
		if len(r.Violations) > 0 {
			violations++
			t.Errorf("seed %d run %d: %s", seed, n, r.Report())
		}
		if t.Failed() && violations > 2 {
			break
		}
	}
	t.Logf("%v, %s", outcomes, time.Since(started).Round(time.Millisecond))
	t.Logf("postgres: runs=%d violations=%d", runs, violations)
}

// choosePostgres makes a case of kills, lost answers and crashes of the server.
func choosePostgres(r *rand.Rand) Case {
	c := Case{Shape: Shape{Load: r.IntN(4) == 0, Databases: 1, Job: true, Broken: Breakages[r.IntN(len(Breakages))]}, Torn: r.IntN(2) == 0}
	kinds := []Kind{Kill, Crash, Crash, FailAfter, Cancel}
	moments := 160
	for range 1 + r.IntN(3) {
		c.Faults = append(c.Faults, []Fault{{At: 1 + r.IntN(moments), Kind: kinds[r.IntN(len(kinds))]}, {At: 1 + r.IntN(moments), Kind: kinds[r.IntN(len(kinds))]}})
		moments = 60
	}
	return c
}
