package compose

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/engine"
)

const shopStack = `
x-labels: &labels {dev.promote.test: engine-compose}
x-health: &health {test: [CMD, /promote, health], interval: 300ms, timeout: 2s, retries: 5}
services:
  db: {image: "${IMAGE}", command: [serve], healthcheck: *health, volumes: ["data:/data"], labels: *labels}
  migrate: {image: "${IMAGE}", command: [exit, "${CODE:-0}"], depends_on: {db: {condition: service_healthy}}, labels: *labels}
  api:
    image: "${IMAGE}"
    command: [serve]
    healthcheck: *health
    scale: 2
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    labels: *labels
  web: {image: "${IMAGE}", command: "${WEB:-serve}", restart: "${RESTART:-no}", stop_grace_period: 1s, depends_on: [api], labels: *labels}
volumes: {data: {labels: *labels}}
networks: {default: {labels: *labels}}
`

func TestDeployAndFail(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 2)
	env := map[string]string{"IMAGE": ids[0]}
	m := stack(t, e, shopStack, env)
	p := m.Project()

	// The first time everything, the one-shot included, in Compose's own order.
	mustUp(t, e, m, Deployment{})
	first := containers(t, e, p)
	if len(first) != 5 || first[p+"-migrate-1"].State != "exited" || first[p+"-api-2"].Health != "healthy" {
		t.Fatalf("after the first up: %+v", first)
	}
	if v := first[p+"-api-1"].ComposeVersion; !strings.HasPrefix(v, "5.") {
		t.Errorf("made by Compose %q", v)
	}
	if rel, err := e.ReleaseOf(t.Context(), p); err != nil || len(rel) != 4 || rel["migrate"] != ids[0] {
		t.Fatalf("release %v, %v", rel, err)
	}

	// A new release: the job first, the database kept.
	next, err := m.Pin(map[string]string{"db": ids[1], "api": ids[1], "web": ids[1], "migrate": ids[1]})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	res, err := e.RunJob(t.Context(), next, "migrate", func(s string) { lines = append(lines, s) })
	if err != nil || res.Code != 0 || len(lines) != 2 || !strings.Contains(res.Tail, "before the end") {
		t.Fatalf("job: %+v %v %q", res, err, lines)
	}
	mustUp(t, e, next, Deployment{Keep: []string{"db"}, JobsDone: []string{"migrate"}})
	second := containers(t, e, p)
	if second[p+"-db-1"].ID != first[p+"-db-1"].ID || !second[p+"-db-1"].StartedAt.Equal(first[p+"-db-1"].StartedAt) {
		t.Error("the database was touched")
	}
	if second[p+"-api-1"].ImageID != ids[1] || second[p+"-web-1"].ImageID != ids[1] || second[p+"-migrate-1"].ImageID != ids[1] {
		t.Errorf("not the new release: %+v", second)
	}
	if j := second[p+"-migrate-1"]; !j.StartedAt.Before(second[p+"-api-1"].StartedAt) || j.Restarts != 0 {
		t.Error("the one-shot was run again")
	}
	for name, c := range second {
		if hash, err := next.Hash(c.Service); c.Service != "db" && (err != nil || c.ConfigHash != hash) {
			t.Errorf("%s: hash %s, model %s %v", name, c.ConfigHash, hash, err)
		}
	}

	// Identity is part of health.
	wants := []engine.Want{{Service: "api", Image: ids[1], Replicas: 2}, {Service: "web", Image: ids[0], Timeout: 10 * time.Second}}
	var sick *engine.UnhealthyError
	if err := e.WaitHealthy(t.Context(), p, wants, nil); !errors.As(err, &sick) || sick.Service != "web" || !strings.Contains(sick.Reason, "runs image") {
		t.Errorf("the wrong image is healthy: %v", err)
	}

	// Stop: dependents first, each with its grace.
	var order []string
	stopped, err := e.Stop(t.Context(), p, []string{"api", "web"}, nil, func(ev engine.Event) { order = append(order, ev.Service) })
	if err != nil || len(stopped) != 3 || order[0] != "web" {
		t.Errorf("stopped %+v in order %v, %v", stopped, order, err)
	}
	if c := containers(t, e, p)[p+"-db-1"]; c.State != "running" {
		t.Error("the database was stopped too")
	}
}

func TestUpFailsAtOnce(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 1)
	tests := []struct {
		name, web, restart, reason string
	}{
		{"dies", "exit 7 20ms", "no", "exited (7)"},
		{"loop", "exit 1 10ms", "always", "restarted"},
		{"leaves", "exit 0 20ms", "no", "exited (0)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := stack(t, e, `
services:
  web: {image: "${IMAGE}", command: "${WEB}", restart: "${RESTART}", expose: ["80"], ports: ["127.0.0.1::80"], labels: {dev.promote.test: engine-compose}}
  other: {image: "${IMAGE}", command: serve, labels: {dev.promote.test: engine-compose}}
`, map[string]string{"IMAGE": ids[0], "WEB": tt.web, "RESTART": tt.restart})
			start := time.Now()
			err := up(t, e, m, Deployment{})
			if err == nil { // the engine said running, and its process began only seconds later: the next look tells
				t.Log("came up before its program ran")
				err = e.WaitHealthy(t.Context(), m.Project(), []engine.Want{{Service: "web", Settle: 10 * time.Second, Timeout: 20 * time.Second}}, nil)
			}
			var sick *engine.UnhealthyError
			if !errors.As(err, &sick) {
				t.Fatalf("got %v", err)
			}
			if sick.Service != "web" || !strings.Contains(sick.Reason, tt.reason) || !slices.Contains(sick.Log, "one line before the end") {
				t.Errorf("got %+v", sick)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestUpUnhealthyDependency(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 1)
	m := stack(t, e, `
x-labels: &labels {dev.promote.test: engine-compose}
services:
  sick: {image: "${IMAGE}", command: stubborn, stop_grace_period: 1s, healthcheck: {test: [CMD, /promote, health], interval: 200ms, retries: 2}, labels: *labels}
  web: {image: "${IMAGE}", command: serve, depends_on: {sick: {condition: service_healthy}}, labels: *labels}
`, map[string]string{"IMAGE": ids[0]})
	err := up(t, e, m, Deployment{})
	var sick *engine.UnhealthyError
	if !errors.As(err, &sick) || sick.Service != "sick" || sick.Reason != "unhealthy" || len(sick.Health) == 0 || !strings.Contains(sick.Health[0].Output, "refused") {
		t.Errorf("got %+v", err)
	}
	stopped, err := e.Stop(t.Context(), m.Project(), []string{"sick"}, nil, nil)
	if err != nil || len(stopped) != 1 || !stopped[0].Killed || stopped[0].ExitCode != 137 {
		t.Errorf("stopping the stubborn: %+v %v", stopped, err)
	}
}

func TestUpDeadline(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 1)
	m := stack(t, e, `
services:
  slow: {image: "${IMAGE}", command: stubborn, stop_grace_period: 1s, healthcheck: {test: [CMD, /promote, health], interval: 200ms, retries: 2, start_period: 1h}, labels: {dev.promote.test: engine-compose}}
`, map[string]string{"IMAGE": ids[0]})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	err := e.Up(ctx, m, Deployment{}, nil)
	var sick *engine.UnhealthyError
	if !errors.As(err, &sick) || sick.Service != "slow" || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(sick.Reason, "starting") || len(sick.Log) == 0 {
		t.Errorf("got %+v", err)
	}
}

func TestFailedJobLeavesTheOldRunning(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 1)
	m := stack(t, e, shopStack, map[string]string{"IMAGE": ids[0], "CODE": "3"})
	if err := up(t, e, m, Deployment{Services: []string{"db"}}); err != nil {
		t.Fatal(err)
	}
	before := containers(t, e, m.Project())
	res, err := e.RunJob(t.Context(), m, "migrate", nil)
	if err != nil || res.Code != 3 {
		t.Errorf("job: %+v %v", res, err)
	}
	if after := containers(t, e, m.Project()); after[m.Project()+"-db-1"].ID != before[m.Project()+"-db-1"].ID || len(after) != 2 {
		t.Errorf("after a failed job: %+v", after)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	long, err := Load(t.Context(), Source{Project: m.Project(), Directory: m.Directory(), Env: map[string]string{"IMAGE": ids[0], "CODE": "0, 1h"}})
	if err != nil {
		t.Fatal(err)
	}
	s := long.project.Services["migrate"]
	s.Command = []string{"exit", "0", "1h"}
	long.project.Services["migrate"] = s
	if _, err := e.RunJob(ctx, long, "migrate", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a job without end: %v", err)
	}
	if c := containers(t, e, m.Project())[m.Project()+"-migrate-1"]; c.State == "running" {
		t.Error("the job still runs after its deadline")
	}
}

func TestKeptServiceHoldsItsNetwork(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 1)
	const text = `
x-labels: &labels {dev.promote.test: engine-compose}
services:
  db: {image: "${IMAGE}", command: serve, labels: *labels}
  web: {image: "${IMAGE}", command: serve, environment: {V: "${V}"}, labels: *labels}
networks: {default: {labels: *labels, driver_opts: {com.docker.network.driver.mtu: "${MTU}"}}}
`
	m := stack(t, e, text, map[string]string{"IMAGE": ids[0], "V": "1", "MTU": "1400"})
	mustUp(t, e, m, Deployment{})
	before := containers(t, e, m.Project())
	next, err := Load(t.Context(), Source{Project: m.Project(), Directory: m.Directory(), Env: map[string]string{"IMAGE": ids[0], "V": "2", "MTU": "1300"}})
	if err != nil {
		t.Fatal(err)
	}
	var warning string
	err = e.Up(t.Context(), next, Deployment{Keep: []string{"db"}}, func(ev engine.Event) {
		if ev.Warning {
			warning = ev.Text
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	after := containers(t, e, m.Project())
	db, web := m.Project()+"-db-1", m.Project()+"-web-1"
	if !after[db].StartedAt.Equal(before[db].StartedAt) || after[web].ID == before[web].ID || after[web].Env["V"] != "2" {
		t.Errorf("db %+v\nweb %+v", after[db], after[web])
	}
	if !strings.Contains(warning, "_default differs") {
		t.Errorf("warning %q", warning)
	}
}

func TestMixedReplicas(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 2)
	for i, id := range ids {
		name := "pt-mixed-" + string(rune('a'+i))
		_ = e.RemoveContainer(t.Context(), name)
		labels := map[string]string{testLabel: testName, "com.docker.compose.project": "ptmixed", "com.docker.compose.service": "api"}
		ctr, err := e.StartAgent(t.Context(), AgentSpec{Name: name, Image: id, Args: []string{"serve"}, Labels: labels})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.RemoveContainer(context.Background(), ctr) })
	}
	var mixed *MixedError
	if _, err := e.ReleaseOf(t.Context(), "ptmixed"); !errors.As(err, &mixed) || !strings.Contains(err.Error(), "pt-mixed-a") || !strings.Contains(err.Error(), "pt-mixed-b") {
		t.Errorf("got %v", err)
	}
}
