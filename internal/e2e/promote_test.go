package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/promotion"
)

// A release that works is promoted, runs with the tested bytes and all data, can be given back later, and is then on hold.
func TestPromoteAndRollBackLater(t *testing.T) {
	s := newShop(t, "happy", demo.Release{Number: 2}, demo.Release{Number: 1})
	before := s.look()

	code, res := s.promote()
	s.expect("promote release 2", code, res, 0, promotion.Done)
	after := s.look()
	if after.Versions["api"] != "2" || after.Orders != before.Orders {
		t.Fatalf("staging after the promotion: %+v, before: %+v", after, before)
	}
	if entries, err := filepath.Glob(filepath.Join(s.Dir, "staging-backup-*", "manifest.json")); err != nil || len(entries) != 1 {
		t.Errorf("backups beside the caller: %v, %v", entries, err)
	}
	if res.Class != "restore" {
		t.Errorf("release 2 changes the schema, yet its rollback class is %s", res.Class)
	}
	s.clean("after the promotion")

	if err := order(t, s, 900_001); err != nil {
		t.Fatal(err)
	}
	code, _ = s.start("rollback", "--format", "json").wait()
	if code != 3 {
		t.Fatalf("a rollback that loses an order: exit code %d, want 3", code)
	}
	if got := s.look(); got.Orders != before.Orders+1 || got.Versions["api"] != "2" {
		t.Fatalf("the refused rollback touched staging: %+v", got)
	}
	code, res = s.start("rollback", "--discard-writes", "--format", "json").wait()
	s.expect("rollback", code, res, 0, promotion.Restored)
	if res.Proof == nil || !res.Proof.Equal {
		t.Errorf("the rollback is not proved: %+v", res.Proof)
	}
	s.unchanged("after the rollback", before)
	s.clean("after the rollback")

	code, res = s.promote()
	s.expect("promote a release on hold", code, res, 3, promotion.Refused)
	s.unchanged("after the refusal", before)
}

// Every way in which a release can be broken ends with staging as it was.
func TestBrokenReleases(t *testing.T) {
	faults := []fault.Fault{
		fault.AppFailsAfterMigration, fault.MigrationFails, fault.MigrationDeletes, fault.OneUnhealthy, fault.Crash, fault.Dies, fault.OldVersion,
		fault.Slow, fault.NoDatabase, fault.Unhealthy,
	}
	s := newShop(t, "broken", demo.Release{Number: 2}, demo.Release{Number: 1})
	before := s.look()
	for _, f := range faults {
		t.Run(string(f), func(t *testing.T) {
			s.t = t
			s.develop(demo.Broken(f))
			code, res := s.promote()
			s.expect(string(f), code, res, 4, promotion.RolledBack)
			if res.Failure == nil || res.Failure.Message == "" {
				t.Errorf("no word on what failed: %+v", res.Failure)
			}
			if res.Proof == nil || !res.Proof.Equal {
				text, _ := json.MarshalIndent(res.Proof, "", " ")
				t.Errorf("the rollback is not proved: %s", text)
			}
			s.unchanged(string(f), before)
		})
	}
	s.t = t
	s.clean("after all of them")
}

// A release that ignores its stop signal is killed after its grace, and the next promotion goes on.
func TestAReleaseThatIgnoresSIGTERM(t *testing.T) {
	s := newShop(t, "sigterm", demo.Release{Number: 2}, demo.Broken(fault.IgnoresSIGTERM))
	code, res := s.promote()
	s.expect("promote over a service that ignores SIGTERM", code, res, 0, promotion.Done)
	if !strings.Contains(strings.Join(res.Warnings, "\n"), "was killed") {
		t.Errorf("nobody was told of the kill: %v", res.Warnings)
	}
}

// The caller is killed in each mutating phase; the target ends wholly on the new release with no one's help. Meanwhile a
// second caller is told who holds the target, and one that calls again sees the end.
func TestTheDriverIsKilled(t *testing.T) {
	s := newShop(t, "driver", demo.Release{Number: 2}, demo.Release{Number: 1})
	for _, at := range []string{"shutdown: started", "deploy: started", "verify: started"} {
		c := s.start("run", "--format", "json")
		c.until(at)
		if err := c.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = c.cmd.Wait()
		code, res := s.promote()
		s.expect("a second caller", code, res, 6, promotion.Locked)
		if !strings.Contains(res.Reason, "started by") || !strings.Contains(res.Reason, "since") || !strings.Contains(res.Reason, "phase") {
			t.Errorf("the second caller is not told who, since when and which phase: %s", res.Reason)
		}
		id := field(res.Reason, s.Staging.Project+": ")
		code, res = s.promote("--id", id)
		s.expect("a driver that calls again", code, res, 0, promotion.Done)
		if res.ID != id {
			t.Errorf("followed %s, was told %s", res.ID, id)
		}
		if got := s.look(); got.Versions["api"] != "2" || got.Versions["orders"] != "2" {
			t.Errorf("killed at %q: %+v", at, got.Versions)
		}
		s.clean(at)
	}
}

// field is the word that follows a text.
func field(text, after string) string {
	_, rest, _ := strings.Cut(text, after)
	word, _, _ := strings.Cut(rest, ",")
	return word
}

// The agent is killed from the host; the engine starts it again and it finishes: forward, and back.
func TestTheAgentIsKilled(t *testing.T) {
	s := newShop(t, "agent", demo.Release{Number: 2}, demo.Release{Number: 1})
	kill := func(at string, want int, outcome promotion.Outcome) {
		t.Helper()
		c := s.start("run", "--format", "json")
		c.until(at)
		in, err := s.docker.ContainerInspect(t.Context(), "promote-"+s.Staging.Project)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(in.State.Pid, syscall.SIGKILL); err != nil {
			t.Skipf("the agent's process is not this machine's: %v", err)
		}
		code, res := c.wait()
		s.expect("killed at "+at, code, res, want, outcome)
		s.clean(at)
	}
	before := s.look()
	s.develop(demo.Broken(fault.AppFailsAfterMigration))
	kill("swap the clone in", 4, promotion.RolledBack)
	s.unchanged("killed in the rollback", before)
	s.develop(demo.Release{Number: 2})
	kill("deploy: started", 0, promotion.Done)
	if got := s.look(); got.Versions["api"] != "2" || got.Orders != before.Orders {
		t.Errorf("killed in deploy: %+v", got)
	}
}

// An interrupt before the first mutation touches nothing; one after it brings staging back.
func TestInterrupts(t *testing.T) {
	s := newShop(t, "interrupt", demo.Release{Number: 2}, demo.Release{Number: 1})
	before := s.look()
	for at, want := range map[string]struct {
		code    int
		outcome promotion.Outcome
	}{"record the containers": {3, promotion.Canceled}, "deploy: started": {4, promotion.RolledBack}} {
		c := s.start("run", "--format", "json")
		c.until(at)
		if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		code, res := c.wait()
		s.expect("interrupted at "+at, code, res, want.code, want.outcome)
		s.unchanged("interrupted at "+at, before)
		s.clean("interrupted at " + at)
	}
}

// Phases run in processes of their own carry one promotion on; a saved plan runs only while nothing has moved.
func TestPhasesAndPlans(t *testing.T) {
	s := newShop(t, "phases", demo.Release{Number: 2}, demo.Release{Number: 1})
	file := filepath.Join(t.TempDir(), "plan.json")
	if code, _ := s.start("plan", "--save", file, "--format", "json").wait(); code != 0 {
		t.Fatalf("plan: exit code %d", code)
	}
	code, res := s.promote("--plan", file, "--phase", "preflight,test")
	s.expect("preflight and test of the plan", code, res, 0, promotion.Running)
	id := res.ID
	for _, phase := range []string{"backup", "shutdown", "deploy"} {
		code, res = s.promote("--id", id, "--phase", phase)
		s.expect(phase, code, res, 0, promotion.Running)
	}
	code, res = s.promote("--id", id, "--phase", "verify")
	s.expect("verify", code, res, 0, promotion.Done)
	code, res = s.promote("--plan", file)
	s.expect("a plan that no longer holds", code, res, 3, promotion.Refused)
	s.clean("after all phases")
}

// order places an order through the application, which acknowledges it only after the commit.
func order(t *testing.T, s *shop, number int) error {
	t.Helper()
	url, err := s.Staging.URL(t.Context(), s.docker, "orders")
	if err != nil {
		return err
	}
	return post(t, url+"/orders", number, 10*time.Second)
}
