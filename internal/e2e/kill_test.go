package e2e

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/promotion"
)

func (s *shop) expect(t *testing.T, what string, a answer, code int, outcome promotion.Outcome) {
	t.Helper()
	if a.code != code || a.result.Outcome != outcome {
		t.Fatalf("%s: exit code %d, outcome %q, want %d and %q: %s\n%s", what, a.code, a.result.Outcome, code, outcome, a.result.Reason, a.stderr)
	}
}

// gone waits until nothing of a promotion runs any more.
func (s *shop) gone(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if _, err := world.engine.ContainerInspect(t.Context(), "promote-"+s.Staging.Project); err != nil {
			return
		}
	}
	t.Error("the agent is still there")
}

// Whatever dies in the middle of a promotion, the target ends wholly on one release.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("the short run kills nobody")
	}
	t.Parallel()
	s := newShop(t, options{dev: demo.Release{Number: 2}, staging: demo.Release{Number: 1}})
	if whole() {
		t.Run("an interrupt before anything is touched", func(t *testing.T) { s.interrupted(t, "record the containers", 3, promotion.Canceled) })
	}
	t.Run("an interrupt in deploy", func(t *testing.T) { s.interrupted(t, "deploy: started", 4, promotion.RolledBack) })
	s.release(t, demo.Broken(fault.AppFailsAfterMigration))
	t.Run("the agent in a rollback", func(t *testing.T) {
		before := s.read(t)
		s.agentKilled(t, "swap the clone in", 4, promotion.RolledBack)
		same(t, before, s.read(t))
	})
	s.release(t, demo.Release{Number: 2})
	t.Run("the agent in deploy", func(t *testing.T) { s.agentKilled(t, "deploy: started", 0, promotion.Done) })
	phases := []string{"deploy"}
	if whole() {
		phases = []string{"shutdown", "deploy", "verify"}
	}
	for _, phase := range phases {
		t.Run("the driver in "+phase, func(t *testing.T) { s.driverKilled(t, phase) })
	}
	if look, err := s.Staging.Look(t.Context(), world.engine); err != nil || look.Versions["api"] != "2" || look.Versions["orders"] != "2" {
		t.Errorf("in the end staging serves %v, %v", look.Versions, err)
	}
	s.clean(t, "promote.restore")
}

func (s *shop) interrupted(t *testing.T, at string, code int, outcome promotion.Outcome) {
	before := s.read(t)
	r := s.start(t, "run")
	r.until(t, at)
	r.signal(t, syscall.SIGINT)
	s.expect(t, "interrupted", r.end(t), code, outcome)
	s.gone(t)
	same(t, before, s.read(t))
}

// agentKilled kills the agent's process as the host's kernel would; the engine starts it again.
func (s *shop) agentKilled(t *testing.T, at string, code int, outcome promotion.Outcome) {
	r := s.start(t, "run", "--release-hold")
	r.until(t, at)
	in, err := world.engine.ContainerInspect(t.Context(), "promote-"+s.Staging.Project)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(in.State.Pid, syscall.SIGKILL); err != nil {
		r.signal(t, syscall.SIGINT)
		_ = r.end(t)
		t.Skipf("the agent's process cannot be killed from here: %v", err)
	}
	s.expect(t, "with its agent killed", r.end(t), code, outcome)
	s.gone(t)
}

// driverKilled kills the caller. A second one is told who holds the target; one that calls again sees the end.
func (s *shop) driverKilled(t *testing.T, phase string) {
	r := s.start(t, "run")
	r.until(t, phase+": started")
	r.signal(t, syscall.SIGKILL)
	_ = r.end(t)
	second := s.call(t, "run")
	s.expect(t, "a second caller", second, 6, promotion.Locked)
	for _, word := range []string{"started by", "since", "in phase"} {
		if !strings.Contains(second.result.Reason, word) {
			t.Errorf("the second caller is not told %q: %s", word, second.result.Reason)
		}
	}
	_, id, _ := strings.Cut(second.result.Reason, s.Staging.Project+": ")
	id, _, _ = strings.Cut(id, ",")
	again := s.call(t, "run", "--id", id)
	s.expect(t, "the caller that came back", again, 0, promotion.Done)
	if again.result.ID != id {
		t.Errorf("followed %s, was told of %s", id, again.result.ID)
	}
	s.gone(t)
}

// Phases run in processes of their own carry one promotion on; a saved plan holds only while nothing moves; what was
// promoted is given back later, with an explicit word where data is lost.
func TestPhasesPlansAndRollback(t *testing.T) {
	if testing.Short() {
		t.Skip("left out of the short run")
	}
	t.Parallel()
	s := newShop(t, options{dev: demo.Release{Number: 2}, staging: demo.Release{Number: 1}})
	before := s.read(t)
	plan := s.Dir + "/plan.json"
	if r := s.start(t, "plan", "--save", plan); r.cmd.Wait() != nil {
		t.Fatalf("plan: %s", r.stderr.String())
	}
	a := s.promote(t, "--plan", plan, "--phase", "preflight,test")
	s.expect(t, "preflight and test", a, 0, promotion.Running)
	for _, phase := range []string{"backup", "shutdown", "deploy"} {
		s.expect(t, phase, s.promote(t, "--id", a.result.ID, "--phase", phase), 0, promotion.Running)
	}
	s.expect(t, "verify", s.promote(t, "--id", a.result.ID, "--phase", "verify"), 0, promotion.Done)
	s.expect(t, "a plan that no longer holds", s.promote(t, "--plan", plan), 3, promotion.Refused)

	url, err := s.Staging.URL(t.Context(), world.engine, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if err := order(t.Context(), http.DefaultClient, url, 900_001); err != nil {
		t.Fatal(err)
	}
	now := s.read(t)
	if refused := s.call(t, "rollback"); refused.code != 3 || !strings.Contains(refused.stdout, "orders") {
		t.Fatalf("a rollback that loses an order: exit code %d\n%s", refused.code, refused.stdout)
	}
	same(t, now, s.read(t))
	back := s.call(t, "rollback", "--discard-writes")
	s.expect(t, "rollback", back, 0, promotion.Restored)
	if back.result.Proof == nil || !back.result.Proof.Holds() {
		t.Errorf("not proved: %+v", back.result.Proof)
	}
	same(t, before, s.read(t))
	s.expect(t, "a release on hold", s.promote(t), 3, promotion.Refused)
}
