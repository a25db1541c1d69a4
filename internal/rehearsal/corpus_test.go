package rehearsal_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/rehearsal"
	"github.com/org/promote-action/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.StopPostgres()
	os.Exit(code)
}

// reader is the role that some cases take on.
const reader = "rehearsal_reader"

// TestCorpus runs every migration of testdata/migrations on a real server and compares the class with the one that the case
// names, which is not an opinion: the statements of the old release are run after the migration, and what the new release
// writes, and have to work exactly where the class is app-only. Only those in check.sql are known to the decision. It takes a
// third of the cases; .github/bench/rehearse.sh takes all.
func TestCorpus(t *testing.T) {
	kit := testkit.NewPostgres(t, "shared_preload_libraries = 'pg_stat_statements'")
	server, err := postgres.Open(t.Context(), postgres.Conn{Host: kit.Host(), Port: kit.Port, User: kit.User, TLSMode: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, kit, "postgres", "CREATE ROLE "+reader)
	dirs, err := filepath.Glob("testdata/migrations/*")
	if err != nil || len(dirs) < 24 {
		t.Fatalf("%d cases, %v", len(dirs), err)
	}
	if os.Getenv("PROMOTE_REHEARSE") != "whole" { // a part, in an order that says nothing of what is in them
		dirs = slices.DeleteFunc(dirs, func(dir string) bool { return crc32.ChecksumIEEE([]byte(filepath.Base(dir)))%3 != 0 })
	}
	var mu sync.Mutex
	right, wrong := 0, 0
	t.Run("case", func(t *testing.T) {
		for n, dir := range dirs {
			t.Run(filepath.Base(dir), func(t *testing.T) {
				t.Parallel()
				c := corpusCase{t: t, kit: kit, server: server, dir: dir, db: fmt.Sprintf("case_%d", n)}
				want, got, why := c.play()
				mu.Lock()
				defer mu.Unlock()
				switch got {
				case want:
					right++
				case plan.AppOnly:
					wrong++
					t.Errorf("wrongly app-only: %s", why)
				default:
					t.Logf("restore although app-only would do: %s", why)
				}
			})
		}
	})
	fmt.Printf("cases=%d right=%d wrongly-app-only=%d\n", len(dirs), right, wrong)
	if missed := len(dirs) - right; missed > max(1, len(dirs)/20) {
		t.Errorf("the class is right in %d of %d cases, 95 %% are wanted", right, len(dirs))
	}
}

type corpusCase struct {
	t       *testing.T
	kit     *testkit.Server
	server  *postgres.Server
	dir, db string
}

func (c corpusCase) file(name string) string {
	c.t.Helper()
	data, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

func (c corpusCase) has(name string) bool {
	_, err := os.Stat(filepath.Join(c.dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

func (c corpusCase) play() (want, got plan.Class, why string) {
	t, ctx := c.t, c.t.Context()
	exec(t, c.kit, "postgres", "CREATE DATABASE "+c.db)
	exec(t, c.kit, c.db, c.file("before.sql"))
	if failed := c.send("check.sql", "old.sql"); failed != "" {
		t.Fatalf("the old release does not work before the migration: %s", failed)
	}
	var statements []string
	var err error
	if c.has("known") {
		if statements, err = c.server.Statements(ctx, c.db); err != nil || len(statements) == 0 {
			t.Fatalf("%d known statements, %v", len(statements), err)
		}
	}
	witness, err := c.server.Witness(ctx, c.db, statements)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, c.kit, c.db, c.file("migrate.sql"))
	after, err := witness.After(ctx)
	if err != nil {
		t.Fatal(err)
	}
	check := promotion.Check{Category: "health", Name: "http /healthz", Status: promotion.Pass}
	if failed := c.send("check.sql"); failed != "" {
		check.Status, check.Message = promotion.Fail, failed
	}
	got, why = rehearsal.Class(rehearsal.Evidence{Databases: []rehearsal.Database{after}, Checks: []promotion.Check{check}})

	if c.has("later.sql") {
		exec(t, c.kit, c.db, c.file("later.sql"))
	}
	want = plan.Class(strings.TrimSpace(c.file("class")))
	failed := c.send("check.sql", "old.sql")
	if works := failed == ""; works != (want == plan.AppOnly) {
		t.Errorf("the case says %s, and the old release after the migration: works=%v %s", want, works, failed)
	}
	return want, got, why
}

// send runs the statements of the files one by one, undoes them, and returns the first failure.
func (c corpusCase) send(files ...string) string {
	conn := connect(c.t, c.kit, c.db)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(c.t.Context(), "BEGIN"); err != nil {
		c.t.Fatal(err)
	}
	for _, file := range files {
		for statement := range strings.SplitSeq(c.file(file), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, err := conn.Exec(c.t.Context(), statement); err != nil {
				return statement + ": " + err.Error()
			}
		}
	}
	if _, err := conn.Exec(c.t.Context(), "ROLLBACK"); err != nil {
		c.t.Fatal(err)
	}
	return ""
}

func connect(t *testing.T, kit *testkit.Server, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable application_name=shop", kit.Host(), kit.Port, kit.User, db))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// exec runs a script as one client would; statements that cannot be in a transaction have their own.
func exec(t *testing.T, kit *testkit.Server, db, script string) {
	t.Helper()
	conn := connect(t, kit, db)
	defer conn.Close(context.Background())
	for statement := range strings.SplitSeq(script, ";\n") {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}
