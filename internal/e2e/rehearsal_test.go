package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/promotion"
)

// rehearsal is what promote compare --rehearse says of the migration from development to staging.
func (s *shop) rehearsal(t *testing.T) compare.Rehearsal {
	t.Helper()
	out, err := process.Output(t.Context(), process.Command{
		Path: world.binary, Dir: s.Dir, Args: []string{"compare", "development", "staging", "--rehearse", "--format", "json", "--config", s.Config, "--log-dir", s.Dir},
		Env: []string{"DOCKER_HOST=" + os.Getenv("DOCKER_HOST")},
	})
	var failed *process.Error
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	var c compare.Comparison
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatalf("%v: %s, %v", err, out, failed)
	}
	if c.Rehearsal == nil {
		t.Fatalf("no rehearsal in %s", out)
	}
	return *c.Rehearsal
}

// policy adds a line to the policy of the shop's configuration.
func (s *shop) policy(t *testing.T, line string) {
	t.Helper()
	f, err := os.OpenFile(s.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\npolicy:\n  " + line + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// unchanged calls do and fails when staging's containers, rows or schema are others afterwards, or anything more is on the
// engine.
func (s *shop) unchanged(t *testing.T, do func()) {
	t.Helper()
	look := func() []string {
		var all []string
		for _, c := range containers(t, s.Staging.Project) {
			all = append(all, c.ID+c.State.StartedAt)
		}
		all = append(all, s.sql(t, "SELECT count(*), sum(hashtextextended(o::text, 0)::numeric) FROM orders o WHERE id <= 100")...)
		return append(all, s.sql(t, "SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid::regclass::text IN ('orders', 'products', 'returns') ORDER BY 1, 2")...)
	}
	before := look()
	do()
	if after := look(); !slices.Equal(before, after) {
		t.Errorf("staging has changed:\n%s\n%s", before, after)
	}
	s.nothingLeft(t)
}

// nothingLeft fails when something of a rehearsal is still on the engine.
func (s *shop) nothingLeft(t *testing.T) {
	t.Helper()
	ours := filters.NewArgs(filters.Arg("label", "dev.promote.role=rehearsal"), filters.Arg("label", "dev.promote.project="+s.Staging.Project))
	list, err := world.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: ours})
	if err != nil || len(list) > 0 {
		t.Errorf("containers of the rehearsal are left: %v %v", list, err)
	}
	nets, err := world.engine.NetworkList(t.Context(), network.ListOptions{Filters: ours})
	if err != nil || len(nets) > 0 {
		t.Errorf("networks of the rehearsal are left: %v %v", nets, err)
	}
}

// anonymousVolumes are the volumes of the engine that have no name of their own.
func anonymousVolumes(t *testing.T) int {
	t.Helper()
	list, err := world.engine.VolumeList(t.Context(), volume.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, v := range list.Volumes {
		if len(v.Name) == 64 {
			n++
		}
	}
	return n
}

func TestRehearsal(t *testing.T) {
	if !whole() && os.Getenv("CI") != "true" {
		t.Skip("a minute more than a package has by default: CI=true or PROMOTE_E2E=whole runs it")
	}
	s := newShop(t, options{dev: demo.Release{Number: 2}, staging: demo.Release{Number: 1}})
	var r compare.Rehearsal
	s.unchanged(t, func() { r = s.rehearsal(t) })
	if r.Class != "app-only" || r.Error != "" || len(r.Left) > 0 || len(r.Migration) != 1 || r.Migration[0].Service != "migrate" || r.Migration[0].Failure != "" {
		t.Errorf("an additive release: %+v", r)
	}
	if len(r.Databases) != 1 || len(r.Databases[0].Remaining) > 0 || !slices.Contains(r.Databases[0].Changed, "column public.products.currency added") {
		t.Errorf("its databases: %+v", r.Databases)
	}
	t.Logf("%s in %.1f s: %s", r.Class, r.Took, r.ClassWhy)
	if !whole() {
		return
	}
	for _, f := range []fault.Fault{fault.AppFailsAfterMigration, fault.MigrationDeletes, fault.MigrationFails} {
		s.release(t, demo.Broken(f))
		s.unchanged(t, func() { r = s.rehearsal(t) })
		if r.Class != "restore" || r.Error != "" {
			t.Errorf("%s: %+v", f, r)
		}
		if failed := slices.ContainsFunc(r.Migration, func(j compare.RehearsedJob) bool { return j.Failure != "" }); failed != (f == fault.MigrationFails) {
			t.Errorf("%s: %+v", f, r.Migration)
		}
		t.Logf("%s: %s in %.1f s: %s", f, r.Class, r.Took, r.ClassWhy)
	}

	s.policy(t, "rehearse: on")
	s.unchanged(t, func() {
		if a := s.promote(t); a.result.Outcome != promotion.Refused || !strings.Contains(a.result.Reason, "on a copy of the databases") {
			t.Errorf("a migration that fails on a copy: %+v", a.result)
		}
	})
	s.release(t, demo.Release{Number: 2})
	a := s.promote(t)
	if a.result.Outcome != promotion.Done || a.result.Class != "app-only" {
		t.Fatalf("an additive release: %s, class %s: %s", a.result.Outcome, a.result.Class, a.result.Reason)
	}
	s.nothingLeft(t)
	s.sql(t, "INSERT INTO orders (product_id, customer) VALUES (1, 'after the promotion')")
	back := s.call(t, "rollback")
	if back.code != 0 && back.result.Outcome != promotion.Restored {
		t.Fatalf("a rollback that keeps the data: %+v\n%s", back.result, back.stderr)
	}
	if got := s.sql(t, "SELECT count(*) FROM orders WHERE customer = 'after the promotion'"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("what was written after the promotion: %v", got)
	}
	for _, c := range containers(t, s.Staging.Project) {
		if service(c) == "api" && c.Config.Image != (demo.Release{Number: 1}).Image("api") {
			t.Errorf("api runs %s after the rollback", c.Config.Image)
		}
	}
}

// TestAKilledRehearsalIsSwept kills the agent in the middle of one; promote recover removes what it left.
func TestAKilledRehearsalIsSwept(t *testing.T) {
	if !whole() {
		t.Skip("PROMOTE_E2E=whole runs it: .github/bench/e2e.sh")
	}
	s := newShop(t, options{dev: demo.Release{Number: 2}, staging: demo.Release{Number: 1}})
	volumes := anonymousVolumes(t)
	r := s.start(t, "compare", "development", "staging", "--rehearse")
	for deadline := time.Now().Add(time.Minute); len(containers(t, "promote-rehearsal-"+s.Staging.Project)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("there is no rehearsal")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := world.engine.ContainerKill(t.Context(), "promote-"+s.Staging.Project, "KILL"); err != nil {
		t.Fatal(err)
	}
	_ = r.cmd.Wait() // it says what it missed
	if len(containers(t, "promote-rehearsal-"+s.Staging.Project)) == 0 {
		t.Fatal("the kill came too late to leave anything")
	}
	s.call(t, "recover")
	s.nothingLeft(t)
	if now := anonymousVolumes(t); now > volumes {
		t.Errorf("%d volumes without a name, %d before", now, volumes)
	}
}
