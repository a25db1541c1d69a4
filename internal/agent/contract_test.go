package agent

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/step/contract"
)

const contractProject = "promote-contract"

const contractStack = `
x-health: &health {test: [CMD, /promote, health], interval: 300ms, timeout: 2s, retries: 5}
services:
  db: {image: "${OLD}", command: [serve], healthcheck: *health}
  migrate: {image: "${IMAGE}", command: [exit, "${CODE}"], depends_on: {db: {condition: service_healthy}}}
  api:
    image: "${IMAGE}"
    command: ${API}
    healthcheck: *health
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
  web: {image: "${IMAGE}", command: [serve], healthcheck: *health, depends_on: {api: {condition: service_healthy}}}
`

// rig is a real engine with two images of the test program.
type rig struct {
	engine *compose.Engine
	docker *client.Client
	old    string
	new    string
	self   string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	e, err := compose.Open(t.Context(), engine.Endpoint{})
	var endpoint *compose.EndpointError
	if errors.As(err, &endpoint) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	r := &rig{engine: e}
	if r.docker, err = demo.Connect(e.Host()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.docker.Close() })
	r.clear(t)
	app := filepath.Join(t.TempDir(), "app")
	if _, err := process.Output(t.Context(), process.Command{
		Path: "go", Args: []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", app, "../engine/compose/testdata/app"}, Env: []string{"CGO_ENABLED=0"},
	}); err != nil {
		t.Fatal(err)
	}
	r.old, r.new = r.image(t, app, "old"), r.image(t, app, "new")
	r.self, err = e.CreateAgent(t.Context(), compose.AgentSpec{Name: contractProject + "-self", Image: r.old, Labels: map[string]string{LabelProject: contractProject}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.clear(t) })
	return r
}

func (r *rig) image(t *testing.T, app, release string) string {
	t.Helper()
	ref, err := r.engine.LoadExecutable(t.Context(), app, contractProject+"/"+release, map[string]string{"release": release})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.engine.RemoveImage(context.Background(), ref) })
	image, err := r.engine.Image(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return image.ID
}

// clear removes the project, also one that a killed test left.
func (r *rig) clear(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := demo.RemovePromoted(ctx, r.docker, contractProject); err != nil {
		t.Error(err)
	}
}

// model is the project at a release.
func (r *rig) model(t *testing.T, image string, broken contract.Broken) *compose.Model {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yml"), []byte(contractStack), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"OLD": r.old, "IMAGE": image, "CODE": "0", "API": "serve"}
	switch broken {
	case contract.JobFails:
		env["CODE"] = "1"
	case contract.NoStart:
		env["API"] = "exit 1"
	case contract.Unhealthy:
		env["API"] = "stubborn"
	}
	m, err := compose.Load(t.Context(), compose.Source{Project: contractProject, Directory: dir, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// open starts the old release.
func (r *rig) open(t *testing.T, broken contract.Broken) contract.Fixture {
	t.Helper()
	if err := r.engine.Down(t.Context(), contractProject, true, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Up(t.Context(), r.model(t, r.old, contract.Fine), compose.Deployment{}, nil); err != nil {
		t.Fatal(err)
	}
	f := contract.Fixture{New: map[string]string{"api": r.new, "web": r.new, "migrate": r.new}, Look: r.look}
	f.Old = map[string]string{"api": r.old, "web": r.old, "migrate": r.old, "db": r.old}
	images := maps.Clone(f.New)
	images["db"] = r.old
	next, err := r.model(t, r.new, broken).Pin(images)
	if err != nil {
		t.Fatal(err)
	}
	data, err := next.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Environment: "staging", Project: contractProject, Services: map[string]ServiceSpec{}}
	for _, svc := range next.Services() {
		spec.Services[svc.Name] = ServiceSpec{OneShot: svc.OneShot, DependsOn: svc.DependsOn, StartupTimeout: 20 * time.Second}
	}
	db := spec.Services["db"]
	db.Kind = "database"
	spec.Services["db"] = db
	f.Stack = &stack{env: &environment{spec: spec, engine: r.engine, self: r.self}, model: data}
	return f
}

func (r *rig) look(t *testing.T) map[string]contract.Container {
	t.Helper()
	list, err := r.docker.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+contractProject))})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]contract.Container{}
	for _, c := range list {
		name := c.Labels["com.docker.compose.service"]
		if _, twice := seen[name]; twice {
			t.Errorf("two containers of %s: %s", name, strings.Join(c.Names, ", "))
		}
		info, err := r.docker.ContainerInspect(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		seen[name] = contract.Container{ID: c.ID, Image: c.ImageID, Running: info.State.Running, Started: info.State.StartedAt}
	}
	return seen
}

// A real engine is the stack that the model of the fault campaign says it is. By default only what every promotion does is
// tested; .github/bench/faults.sh fast asks for the whole.
func TestContract(t *testing.T) {
	r := newRig(t)
	contract.Stack(t, func(t *testing.T, broken contract.Broken) contract.Fixture {
		if os.Getenv("PROMOTE_CONTRACT") != "whole" && !strings.HasSuffix(t.Name(), "/the_new_release,_and_back") {
			t.Skip("only with PROMOTE_CONTRACT=whole: .github/bench/faults.sh fast")
		}
		return r.open(t, broken)
	})
}
