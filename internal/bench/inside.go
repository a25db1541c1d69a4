package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/postgres"
)

// inside does one thing in the database's container and writes what it took. Ours and anchors are timed by the same clock.
func inside(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("inside: what, and of which database")
	}
	var arg string
	if len(args) > 2 {
		arg = args[2]
	}
	do, ok := map[string]func(ctx context.Context, of, arg string) (taken, error){
		"shell": shell, "seed": seed, "grow": grow, "count": count, "fingerprint": fingerprint, "dump": dump, "verify": verify,
		"clone": clone, "swap": swap, "point": point,
	}[args[0]]
	if !ok {
		return fmt.Errorf("inside: %s is not known", args[0])
	}
	t, err := do(ctx, args[1], arg)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(t)
}

func since(t time.Time) taken { return taken{Seconds: time.Since(t).Seconds()} }

func connection() postgres.Conn {
	return postgres.Conn{Host: "127.0.0.1", Port: 5432, User: "postgres", TLSMode: "disable"}
}

func tools() (postgres.LocalTools, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return postgres.LocalTools{}, errors.New("no PostgreSQL programs below /usr/lib/postgresql")
	}
	return postgres.LocalTools{Bin: slices.Max(bins), Work: "/dumps"}, nil
}

// shell times a line of bash. The file or folder arg is what it makes, and is measured.
func shell(ctx context.Context, line, arg string) (taken, error) {
	started := time.Now()
	if out, err := exec.CommandContext(ctx, "bash", "-c", "set -o pipefail; "+line).CombinedOutput(); err != nil {
		return taken{}, fmt.Errorf("%w: %s", err, out)
	}
	t := since(started)
	if arg == "" {
		return t, nil
	}
	return t, filepath.WalkDir(arg, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			t.Bytes += info.Size()
		}
		return err
	})
}

// session is a connection with the server's own settings.
func session(ctx context.Context, db string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, "host=127.0.0.1 user=postgres sslmode=disable dbname="+db)
}

func execAll(ctx context.Context, db string, statements ...string) error {
	conn, err := session(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Bytes that a row takes with its share of indexes.
const (
	documentBytes   = 2090
	orderBytes      = 140
	attachmentBytes = 9300
)

const (
	documents = `CREATE TABLE documents (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text, properties jsonb, body text);
		INSERT INTO documents (title, properties, body) SELECT 'document ' || i, jsonb_build_object('language', (ARRAY['en','de','fr'])[1 + i %% 3], 'pages', i %% 90),
			encode(sha512(('a' || i)::bytea) || sha512(('b' || i)::bytea) || sha512(('c' || i)::bytea) || sha512(('d' || i)::bytea) || sha512(('e' || i)::bytea) || sha512(('f' || i)::bytea)
			|| sha512(('g' || i)::bytea) || sha512(('h' || i)::bytea) || sha512(('i' || i)::bytea) || sha512(('j' || i)::bytea) || sha512(('k' || i)::bytea) || sha512(('l' || i)::bytea), 'hex')
		FROM generate_series(1, %d) i`
	orders = `CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, product bigint, customer text, quantity int, created_at timestamptz, total numeric(10,2));
		INSERT INTO orders (product, customer, quantity, created_at, total) SELECT i %% 200, 'customer ' || i %% 5000, 1 + i %% 5, now() - i * interval '1 second', i / 7.0
		FROM generate_series(1, %d) i; CREATE INDEX ON orders (customer)`
	attachments = `CREATE TABLE attachments (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, data bytea); ALTER TABLE attachments ALTER data SET STORAGE EXTERNAL;
		INSERT INTO attachments (name, data) SELECT 'file ' || i, (SELECT string_agg(sha512((i || ' ' || j)::bytea), '') FROM generate_series(1, 128) j)
		FROM generate_series(1, %d) i`
)

// seed makes a database of about that size: "single:BYTES" of one table, "mixed:BYTES" of three sorts of table.
func seed(ctx context.Context, db, what string) (taken, error) {
	var single bool
	size, err := strconv.ParseInt(what[len("mixed:"):], 10, 64)
	if what[:6] == "single" {
		single = true
		size, err = strconv.ParseInt(what[len("single:"):], 10, 64)
	}
	if err != nil {
		return taken{}, err
	}
	started := time.Now()
	if err := execAll(ctx, "postgres", "CREATE DATABASE "+db); err != nil {
		return taken{}, err
	}
	statements := []string{fmt.Sprintf(documents, size/documentBytes)}
	if !single {
		statements = []string{
			fmt.Sprintf(documents, size*6/10/documentBytes), fmt.Sprintf(orders, size*25/100/orderBytes), fmt.Sprintf(attachments, size*15/100/attachmentBytes),
		}
	}
	if err := execAll(ctx, db, append(statements, "VACUUM ANALYZE", "CHECKPOINT")...); err != nil {
		return taken{}, err
	}
	t := since(started)
	t.Bytes, err = sizeOf(ctx, db)
	return t, err
}

// grow makes a database like one of another size, by doubling its documents.
func grow(ctx context.Context, db, what string) (taken, error) {
	size, err := strconv.ParseInt(what, 10, 64)
	if err != nil {
		return taken{}, err
	}
	started := time.Now()
	for {
		has, err := sizeOf(ctx, db)
		if err != nil {
			return taken{}, err
		}
		if has >= size*97/100 {
			break
		}
		share := min(1, float64(size-has)/float64(has))
		if err := execAll(ctx, db, fmt.Sprintf(`INSERT INTO documents (title, properties, body) SELECT title, properties, body FROM documents
			LIMIT (SELECT (count(*) * %f)::bigint FROM documents)`, share)); err != nil {
			return taken{}, err
		}
	}
	if err := execAll(ctx, db, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return taken{}, err
	}
	t := since(started)
	t.Bytes, err = sizeOf(ctx, db)
	return t, err
}

func sizeOf(ctx context.Context, db string) (int64, error) {
	conn, err := session(ctx, "postgres")
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var n int64
	return n, conn.QueryRow(ctx, "SELECT pg_database_size($1::name)", db).Scan(&n)
}

// count is a parallel count(*) of every table, one after the other, with the server's own settings but one: the table is
// read, and not the index of its key.
func count(ctx context.Context, db, _ string) (taken, error) {
	conn, err := session(ctx, db)
	if err != nil {
		return taken{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SET enable_indexonlyscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off; SET jit = off"); err != nil {
		return taken{}, err
	}
	rows, err := conn.Query(ctx, "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relpages DESC")
	if err != nil {
		return taken{}, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return taken{}, err
	}
	started := time.Now()
	for _, table := range tables {
		var n int64
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			return taken{}, err
		}
	}
	return since(started), nil
}

func fingerprint(ctx context.Context, db, _ string) (taken, error) {
	s, err := postgres.Open(ctx, connection())
	if err != nil {
		return taken{}, err
	}
	started := time.Now()
	_, err = s.RowFingerprints(ctx, db, postgres.RowOptions{})
	return since(started), err
}

// dump writes the portable backup of a database to a file, with what a restore has to know beside it.
func dump(ctx context.Context, db, file string) (taken, error) {
	s, err := postgres.Open(ctx, connection())
	if err != nil {
		return taken{}, err
	}
	local, err := tools()
	if err != nil {
		return taken{}, err
	}
	out, err := os.Create(file)
	if err != nil {
		return taken{}, err
	}
	started := time.Now()
	info, err := s.Dump(ctx, postgres.Client{Tools: local, Conn: connection()}, db, out, postgres.DumpOptions{})
	t := since(started)
	if err := errors.Join(err, out.Close()); err != nil {
		return taken{}, err
	}
	t.Bytes = info.Bytes
	note, err := json.Marshal(info)
	if err != nil {
		return taken{}, err
	}
	return t, os.WriteFile(file+".json", note, 0o600)
}

// verify decodes all of what dump wrote.
func verify(ctx context.Context, _, file string) (taken, error) {
	local, err := tools()
	if err != nil {
		return taken{}, err
	}
	note, err := os.ReadFile(file + ".json")
	if err != nil {
		return taken{}, err
	}
	var info postgres.DumpInfo
	if err := json.Unmarshal(note, &info); err != nil {
		return taken{}, err
	}
	in, err := os.Open(file)
	if err != nil {
		return taken{}, err
	}
	defer in.Close()
	started := time.Now()
	_, err = postgres.VerifyDump(ctx, local, in, info)
	return since(started), err
}

// clone copies a database, and drops the copy outside of the time.
func clone(ctx context.Context, db, _ string) (taken, error) {
	s, err := postgres.Open(ctx, connection())
	if err != nil {
		return taken{}, err
	}
	as := postgres.CopyName(db, "restore", "bench")
	started := time.Now()
	if _, err := s.Clone(ctx, db, as, postgres.CloneOptions{ID: "bench"}); err != nil {
		return taken{}, err
	}
	return since(started), s.Drop(ctx, as)
}

// swap gives a database back from its clone, there and back again five times, and returns the median. Each first ends a
// session that somebody has in the database.
func swap(ctx context.Context, db, _ string) (taken, error) {
	s, err := postgres.Open(ctx, connection())
	if err != nil {
		return taken{}, err
	}
	in, aside := postgres.CopyName(db, "restore", "bench"), postgres.CopyName(db, "failed", "bench")
	if _, err := s.Clone(ctx, db, in, postgres.CloneOptions{ID: "bench"}); err != nil {
		return taken{}, err
	}
	var times []float64
	for range 5 {
		client, err := session(ctx, db)
		if err != nil {
			return taken{}, err
		}
		started := time.Now()
		err = s.Swap(ctx, db, aside, in)
		times = append(times, time.Since(started).Seconds())
		_ = client.Close(ctx)
		if err != nil {
			return taken{}, err
		}
		in, aside = aside, in
	}
	return taken{Seconds: median(times)}, s.Drop(ctx, in)
}

// point is what a restore point adds to a downtime: nobody is let in, schema and rows are read, the copy is made.
func point(ctx context.Context, db, _ string) (taken, error) {
	s, err := postgres.Open(ctx, connection())
	if err != nil {
		return taken{}, err
	}
	as := postgres.CopyName(db, "restore", "bench")
	started := time.Now()
	if _, err := s.Quiesce(ctx, db, postgres.QuiesceOptions{}); err != nil {
		return taken{}, err
	}
	if _, err := s.SchemaFingerprint(ctx, db); err != nil {
		return taken{}, err
	}
	if _, err := s.RowFingerprints(ctx, db, postgres.RowOptions{}); err != nil {
		return taken{}, err
	}
	if _, err := s.Clone(ctx, db, as, postgres.CloneOptions{ID: "bench"}); err != nil {
		return taken{}, err
	}
	if err := s.Reopen(ctx, db); err != nil {
		return taken{}, err
	}
	return since(started), s.Drop(ctx, as)
}
