package compose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/engine"
)

func TestJudge(t *testing.T) {
	run := engine.Container{ID: "1", State: "running", RestartPolicy: "no"}
	with := func(f func(*engine.Container)) engine.Container { c := run; f(&c); return c }
	ended := func(code int, policy string) engine.Container {
		return with(func(c *engine.Container) { c.State, c.ExitCode, c.RestartPolicy = "exited", code, policy })
	}
	health := func(h string) engine.Container {
		return with(func(c *engine.Container) { c.HasHealthcheck, c.Health = true, h })
	}
	restarts := func(n int, state string) engine.Container {
		return with(func(c *engine.Container) { c.Restarts, c.State, c.RestartPolicy = n, state, "always" })
	}
	tests := []struct {
		name  string
		want  engine.Want
		looks []engine.Container // one every second
		ready bool
		dead  string // substring; "" for none
	}{
		{"no health check: settles", engine.Want{}, []engine.Container{run, run, run}, true, ""},
		{"no health check: too early", engine.Want{}, []engine.Container{run, run}, false, ""},
		{"healthy at once", engine.Want{}, []engine.Container{health("healthy")}, true, ""},
		{"starting", engine.Want{}, []engine.Container{health("starting"), health("starting"), health("starting")}, false, ""},
		{"unhealthy", engine.Want{}, []engine.Container{health("starting"), health("unhealthy")}, false, "unhealthy"},
		{"one restart delays", engine.Want{}, []engine.Container{restarts(0, "running"), restarts(1, "running"), restarts(1, "running")}, false, ""},
		{"one restart is forgiven", engine.Want{}, []engine.Container{restarts(0, "running"), restarts(1, "running"), restarts(1, "running"), restarts(1, "running")}, true, ""},
		{"three restarts", engine.Want{}, []engine.Container{restarts(0, "running"), restarts(3, "running")}, false, "restarted 3 times"},
		{"an old loop", engine.Want{}, []engine.Container{restarts(9, "restarting")}, false, "restarted 9 times"},
		{"restarts of the past", engine.Want{}, []engine.Container{restarts(9, "running"), restarts(9, "running"), restarts(9, "running")}, true, ""},
		{"exited", engine.Want{}, []engine.Container{ended(1, "no")}, false, "exited (1)"},
		{"exited well", engine.Want{}, []engine.Container{ended(0, "no")}, false, "exited (0)"},
		{"one-shot", engine.Want{OneShot: true}, []engine.Container{run, ended(0, "no")}, true, ""},
		{"one-shot failed", engine.Want{OneShot: true}, []engine.Container{run, ended(2, "no")}, false, "exited (2)"},
		{"one-shot at work", engine.Want{OneShot: true}, []engine.Container{run, run, run, run}, false, ""},
		{"one-shot, unhealthy by its image's check", engine.Want{OneShot: true}, []engine.Container{with(func(c *engine.Container) { c.State, c.Health, c.HasHealthcheck = "exited", "unhealthy", true })}, true, ""},
		{"may end", engine.Want{MayEnd: true}, []engine.Container{ended(0, "no")}, true, ""},
		{"between end and restart", engine.Want{}, []engine.Container{ended(1, "always"), ended(1, "always")}, false, ""},
		{"stopped by hand", engine.Want{}, []engine.Container{ended(0, "always"), ended(0, "always"), ended(0, "always")}, false, "exited (0)"},
		{"retries used up", engine.Want{}, []engine.Container{with(func(c *engine.Container) {
			c.State, c.ExitCode, c.RestartPolicy, c.MaxRetries, c.Restarts = "exited", 1, "on-failure", 1, 1
		})}, false, "exited (1)"},
		{"another image", engine.Want{Image: "sha256:x"}, []engine.Container{run}, false, "instead of x"},
		{"paused", engine.Want{}, []engine.Container{with(func(c *engine.Container) { c.State = "paused" })}, false, "paused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := &judge{seen: map[string]*sighting{}}
			now := time.Unix(1000, 0)
			var v verdict
			for _, c := range tt.looks {
				v = j.look(tt.want, c, now)
				now = now.Add(time.Second)
			}
			if v.ready != tt.ready || (v.dead == "") != (tt.dead == "") || !strings.Contains(v.dead, tt.dead) {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestReplicasAreAllJudged(t *testing.T) {
	j := &judge{seen: map[string]*sighting{}}
	c := func(id, health string) engine.Container {
		return engine.Container{ID: id, Service: "api", State: "running", HasHealthcheck: true, Health: health}
	}
	w := engine.Want{Service: "api", Replicas: 2}
	now := time.Unix(1000, 0)
	if v, _ := j.service(w, []engine.Container{c("1", "healthy")}, now); v.ready || v.text != "1 of 2 replicas healthy" {
		t.Errorf("one of two: %+v", v)
	}
	if v, _ := j.service(w, []engine.Container{c("1", "healthy"), c("2", "healthy")}, now); !v.ready {
		t.Errorf("both: %+v", v)
	}
	if v, culprit := j.service(w, []engine.Container{c("1", "healthy"), c("2", "unhealthy")}, now); v.dead == "" || culprit.ID != "2" {
		t.Errorf("one ill: %+v", v)
	}
}

func TestLevels(t *testing.T) {
	needs := map[string][]string{"web": {"api", "gone"}, "api": {"db"}, "x": {"y"}, "y": {"x"}, "db": {"db"}}
	got := levels([]string{"web", "db", "api", "x", "y", "solo"}, needs)
	want := [][]string{{"db", "solo"}, {"api"}, {"web"}, {"x", "y"}}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("got %v", got)
	}
}

func TestDependencyLabel(t *testing.T) {
	got := dependencies("migrate:service_completed_successfully:false,db:service_healthy:true,old")
	want := []engine.Dependency{{Service: "db", Condition: "service_healthy"}, {Service: "migrate", Condition: "service_completed_successfully"}, {Service: "old", Condition: "service_started"}}
	if !slices.Equal(got, want) || dependencies("") != nil {
		t.Errorf("got %v", got)
	}
}
