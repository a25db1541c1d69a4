package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/testkit"
)

const filler = "CREATE TABLE filler AS SELECT i, repeat(md5(i::text), 20) m FROM generate_series(1, 60000) i" // about 40 MB

// TestVictim is what the crash tests run in a process of their own and kill.
func TestVictim(t *testing.T) {
	var port int
	var what, db string
	if n, _ := fmt.Sscanf(os.Getenv("PROMOTE_TEST_VICTIM"), "%d %s %s", &port, &what, &db); n != 3 {
		t.Skip("runs only as a victim of the crash tests")
	}
	s, err := Open(t.Context(), Conn{Host: "127.0.0.1", Port: port, User: "postgres", TLSMode: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, "ready")
	if err := crashStep(t.Context(), s, what, db); err != nil {
		t.Fatal(err)
	}
}

func crashStep(ctx context.Context, s *Server, what, db string) error {
	clone, failed := CopyName(db, "clone", "1"), CopyName(db, "failed", "1")
	switch what {
	case "clone":
		if _, err := s.Quiesce(ctx, db, QuiesceOptions{}); err != nil {
			return err
		}
		_, err := s.Clone(ctx, db, clone, CloneOptions{ID: "1"})
		return err
	default:
		return s.Swap(ctx, db, failed, clone)
	}
}

// killClient runs the step in another process and ends it with SIGKILL after the delay.
func killClient(t *testing.T, port int, what, db string, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	_, _ = process.Output(ctx, process.Command{Path: os.Args[0], Args: []string{"-test.run=^TestVictim$"}, Env: []string{fmt.Sprintf("PROMOTE_TEST_VICTIM=%d %s %s", port, what, db)}})
}

func TestClientKilledAtAnyMoment(t *testing.T) {
	s := open(t)
	kit := testkit.Postgres(t)
	makeDatabase(t, "killed", "", filler, "CREATE TABLE log (line text, n int)")
	want, err := s.RowFingerprints(t.Context(), "killed", RowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 3 {
		after := 20*time.Millisecond + time.Duration(r.IntN(400))*time.Millisecond
		killClient(t, kit.Port, "clone", "killed", after)
		if err := crashStep(t.Context(), s, "clone", "killed"); err != nil {
			t.Fatalf("clone after a kill at %s: %v", after, err)
		}
		if err := s.Reopen(t.Context(), "killed"); err != nil {
			t.Fatal(err)
		}
		run(t, "killed", "INSERT INTO log VALUES ('lost', 1)")
		killClient(t, kit.Port, "swap", "killed", 20*time.Millisecond+time.Duration(r.IntN(150))*time.Millisecond)
		if err := crashStep(t.Context(), s, "swap", "killed"); err != nil {
			t.Fatalf("swap after a kill: %v", err)
		}
		got, err := s.RowFingerprints(t.Context(), "killed", RowOptions{})
		if diff := DiffRows(want, got); err != nil || len(diff) > 0 {
			t.Fatalf("%q, %v", diff, err)
		}
		if err := s.Drop(t.Context(), CopyName("killed", "failed", "1")); err != nil {
			t.Fatal(err)
		}
	}
	if n := value(t, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'promote.%'"); n != "0" {
		t.Errorf("%s copies are left", n)
	}
}

func TestServerKilledAtAnyMoment(t *testing.T) {
	kit := testkit.NewPostgres(t)
	conn := Conn{Host: kit.Host(), Port: kit.Port, User: kit.User, TLSMode: "disable"}
	exec := func(db, sql string) {
		t.Helper()
		cfg, err := conn.config(db)
		if err != nil {
			t.Fatal(err)
		}
		c, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer closeConn(c)
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("postgres", "CREATE DATABASE crashed")
	exec("crashed", filler+"; CREATE TABLE log (line text, n int)")
	s, err := Open(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.RowFingerprints(t.Context(), "crashed", RowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	crash := func(what string, after time.Duration) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- crashStep(t.Context(), s, what, "crashed") }()
		time.Sleep(after)
		if err := kit.Kill(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, killed after %s: %v", what, after, <-done)
		if err := kit.Start(); err != nil {
			t.Fatal(err)
		}
	}
	orphans := 0
	for round := range 2 {
		// The copy is cut off while its directory is there and its row is not.
		crash("clone", 30*time.Millisecond+time.Duration(r.IntN(60))*time.Millisecond)
		if err := crashStep(t.Context(), s, "clone", "crashed"); err != nil {
			t.Fatal(err)
		}
		result, err := s.Clone(t.Context(), "crashed", CopyName("crashed", "clone", "1"), CloneOptions{ID: "1"})
		if err != nil {
			t.Fatal(err)
		}
		orphans = 0
		for _, w := range result.Warnings {
			if !strings.Contains(w, "base/") {
				t.Errorf("warning %q", w)
			}
			orphans++
		}
		if err := s.Reopen(t.Context(), "crashed"); err != nil {
			t.Fatal(err)
		}
		exec("crashed", "INSERT INTO log VALUES ('lost', 1)")
		crash("swap", time.Duration(r.IntN(40))*time.Millisecond)
		if err := crashStep(t.Context(), s, "swap", "crashed"); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		got, err := s.RowFingerprints(t.Context(), "crashed", RowOptions{})
		if diff := DiffRows(want, got); err != nil || len(diff) > 0 {
			t.Fatalf("%q, %v", diff, err)
		}
		if err := s.Drop(t.Context(), CopyName("crashed", "failed", "1")); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d orphan directories", orphans)
}
