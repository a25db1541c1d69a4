package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/promotion"
)

// lane is one shop and what is promoted in it, one after the other.
type lane struct {
	name    string
	options options
	happy   bool
	faults  []fault.Fault
}

// whole reports whether everything is asked for, as .github/bench/e2e.sh does. Otherwise a part runs that takes minutes.
func whole() bool { return os.Getenv("PROMOTE_E2E") == "whole" }

// lanes spread the faults over two shops, so that never more than two promotions run at a time.
func lanes() []lane {
	one, two := demo.Release{Number: 1}, demo.Release{Number: 2}
	switch {
	case testing.Short():
		return []lane{{"short", options{dev: two, staging: one}, true, []fault.Fault{fault.AppFailsAfterMigration, fault.OneUnhealthy}}}
	case whole():
		return everything()
	}
	return []lane{
		{"from release 1", options{dev: two, staging: one, seed: 4 << 20}, true, []fault.Fault{fault.AppFailsAfterMigration, fault.OneUnhealthy}},
		{"from release 2", options{dev: two, staging: two}, false, []fault.Fault{fault.MigrationDeletes}},
	}
}

// everything is every fault that ends in a rollback.
func everything() []lane {
	one, two := demo.Release{Number: 1}, demo.Release{Number: 2}
	return []lane{
		{
			"from release 1",
			options{dev: two, staging: one, seed: 4 << 20},
			true,
			[]fault.Fault{fault.Crash, fault.AppFailsAfterMigration, fault.OneUnhealthy, fault.MigrationFails},
		},
		{
			"from release 2",
			options{dev: two, staging: two},
			false,
			[]fault.Fault{fault.MigrationDeletes, fault.Dies, fault.Unhealthy, fault.OldVersion, fault.NoDatabase, fault.Slow},
		},
	}
}

func TestEveryFaultIsTested(t *testing.T) {
	tested := []fault.Fault{fault.IgnoresSIGTERM} // by a test of its own: it is promoted
	for _, l := range everything() {
		tested = append(tested, l.faults...)
	}
	for _, f := range fault.All() {
		if !slices.Contains(tested, f) {
			t.Errorf("fault %s is in no lane", f)
		}
	}
}

func TestPromotion(t *testing.T) {
	t.Parallel()
	for _, l := range lanes() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, l.options)
			if l.happy {
				t.Run("a release that works", func(t *testing.T) { works(t, s) })
			}
			for _, f := range l.faults {
				t.Run(string(f), func(t *testing.T) { breaks(t, s, f) })
			}
			if l.happy && whole() {
				t.Run(string(fault.IgnoresSIGTERM), func(t *testing.T) { ignoresSIGTERM(t, s) })
			}
		})
	}
}

// works promotes release 2 while customers order.
func works(t *testing.T, s *shop) {
	w := write(t, s.Staging)
	a := s.promote(t)
	if a.code != 0 || a.result.Outcome != promotion.Done {
		t.Fatalf("exit code %d, outcome %s: %s\n%s", a.code, a.result.Outcome, a.result.Reason, a.stderr)
	}
	time.Sleep(time.Second) // for some orders in the new release
	w.check(t, s, time.Now())
	want, got := s.images(t, s.Development.Project), s.images(t, s.Staging.Project)
	delete(want, "db")
	for service, image := range want {
		if got[service] != image {
			t.Errorf("%s runs %s, development %s", service, got[service], image)
		}
	}
	look, err := s.Staging.Look(t.Context(), world.engine)
	if err != nil {
		t.Fatal(err)
	}
	if look.Versions["api"] != "2" || look.Versions["web"] != "2" {
		t.Errorf("versions %v", look.Versions)
	}
	if n := s.sql(t, "SELECT count(*) FROM schema_migrations WHERE version = 6"); !slices.Equal(n, []string{"1"}) {
		t.Errorf("the migration of release 2 was not run: %q", n)
	}
	s.clean(t, "promote.restore")
	s.account(t, a.result)
}

// account checks that what the result names is there and holds no secret.
func (s *shop) account(t *testing.T, res promotion.Result) {
	t.Helper()
	for _, path := range []string{res.LogPath, res.ReportPath} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(data), s.password(t, s.Staging.Project)) {
			t.Errorf("%s holds the database's password", filepath.Base(path))
		}
	}
	if _, err := os.Stat(filepath.Join(res.BackupPath, "manifest.json")); err != nil {
		t.Error(err)
	}
	if res.Outcome == promotion.RolledBack && (res.Proof == nil || !res.Proof.Holds()) {
		t.Errorf("no proof: %+v", res.Proof)
	}
}

// breaks promotes a release with the fault, and staging is in the end what it was.
func breaks(t *testing.T, s *shop, f fault.Fault) {
	s.release(t, demo.Broken(f))
	before, kept := s.read(t), s.copies(t)
	var w *writer
	if f == fault.AppFailsAfterMigration {
		w = write(t, s.Staging)
	}
	a := s.promote(t)
	if a.code != 4 || a.result.Outcome != promotion.RolledBack {
		t.Fatalf("exit code %d, outcome %s: %s\n%s", a.code, a.result.Outcome, a.result.Reason, a.stderr)
	}
	if w != nil {
		w.check(t, s, shutdown(t, a.result))
		s.sql(t, "DELETE FROM orders WHERE "+w.mine())
	}
	after := s.read(t)
	same(t, before, after)
	s.clean(t, append(kept, "promote.failed")...)
	s.account(t, a.result)
	if a.result.Failure == nil || a.result.Failure.Message == "" {
		t.Error("the result does not say why")
	}
	if f == fault.OneUnhealthy {
		s.held(t)
	}
}

// ignoresSIGTERM promotes a release that works and does not stop when it is told to. The promotion after it kills it when its
// grace is over, and gives it back.
func ignoresSIGTERM(t *testing.T, s *shop) {
	s.release(t, demo.Broken(fault.IgnoresSIGTERM))
	if a := s.promote(t); a.code != 0 || a.result.Outcome != promotion.Done {
		t.Fatalf("exit code %d, outcome %s: %s\n%s", a.code, a.result.Outcome, a.result.Reason, a.stderr)
	}
	s.clean(t, "promote.restore")
	s.release(t, demo.Broken(fault.Crash))
	before := s.read(t)
	a := s.promote(t, "--release-hold")
	if a.code != 4 || a.result.Outcome != promotion.RolledBack {
		t.Fatalf("exit code %d, outcome %s: %s\n%s", a.code, a.result.Outcome, a.result.Reason, a.stderr)
	}
	same(t, before, s.read(t))
	s.clean(t, "promote.failed", "promote.restore")
	if log, err := os.ReadFile(a.result.LogPath); err != nil || !strings.Contains(string(log), "killed") {
		t.Errorf("the log does not say that a service had to be killed (%v)", err)
	}
}

// shutdown is the moment at which the old release had stopped: what it had acknowledged by then must not be lost.
func shutdown(t *testing.T, res promotion.Result) time.Time {
	t.Helper()
	for _, p := range res.Phases {
		if p.Phase == promotion.Shutdown {
			return p.Started.Add(p.Took.Time())
		}
	}
	t.Fatal("no phase shutdown")
	return time.Time{}
}

// held checks that the failed release is refused until it is asked for by name of its hold.
func (s *shop) held(t *testing.T) {
	t.Helper()
	a := s.promote(t)
	if a.code != 3 || a.result.Outcome != promotion.Refused {
		t.Errorf("a release on hold: exit code %d, outcome %s: %s", a.code, a.result.Outcome, a.result.Reason)
	}
	if !strings.Contains(a.result.Reason, "hold") {
		t.Errorf("the reason does not name the hold: %s", a.result.Reason)
	}
}
