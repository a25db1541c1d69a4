package compose

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/process"
)

// testLabel marks what these tests make, so that a later run finds what a killed one left.
const testLabel = "dev.promote.test"

const testName = "engine-compose"

var labelled = map[string]string{testLabel: testName}

var sweepOnce, buildOnce sync.Once

// open connects to the engine of this machine, or skips where there is none.
func open(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(t.Context(), engine.Endpoint{})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	sweepOnce.Do(func() { sweep(t, e) })
	return e
}

func sweep(t *testing.T, e *Engine) {
	args := filters.NewArgs(filters.Arg("label", testLabel+"="+testName))
	cs, err := e.api.ContainerList(t.Context(), container.ListOptions{All: true, Filters: args})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		_ = e.remove(t.Context(), c.ID, true)
	}
	imgs, _ := e.Images(t.Context())
	for _, img := range imgs { // those of the test program stay: the next run uses them again
		for _, tag := range img.Tags {
			if strings.HasPrefix(tag, "promote-test/self:") {
				_ = e.RemoveImage(t.Context(), tag)
			}
		}
	}
	_, _ = e.api.NetworksPrune(t.Context(), args)
	vs, _ := e.api.VolumeList(t.Context(), volume.ListOptions{Filters: args})
	for _, v := range vs.Volumes {
		_ = e.RemoveVolume(t.Context(), v.Name)
	}
}

var app string

// build compiles the test program once.
func build(t *testing.T) string {
	t.Helper()
	buildOnce.Do(func() {
		dir, err := os.MkdirTemp("", "promote-engine-test")
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "app")
		_, err = process.Output(t.Context(), process.Command{
			Path: "go", Args: []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "./testdata/app"}, Env: []string{"CGO_ENABLED=0"},
		})
		if err != nil {
			t.Fatal(err)
		}
		app = out
	})
	if app == "" {
		t.Fatal("the test program was not built")
	}
	return app
}

// images returns the IDs of n different images of the test program.
func images(t *testing.T, e *Engine, n int) []string {
	t.Helper()
	var out []string
	for i := 1; i <= n; i++ {
		ref, err := e.LoadExecutable(t.Context(), build(t), fmt.Sprintf("promote-test/app%d", i), map[string]string{testLabel: testName, "v": fmt.Sprint(i)})
		if err != nil {
			t.Fatal(err)
		}
		img, err := e.Image(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, img.ID)
	}
	return out
}

// stack loads a Compose text as a project of its own, and takes it down at the end of the test.
func stack(t *testing.T, e *Engine, text string, env map[string]string) *Model {
	t.Helper()
	project := "pt" + strings.ToLower(strings.NewReplacer("/", "", "_", "").Replace(t.Name()))
	dir := t.TempDir()
	write(t, dir, "compose.yaml", text)
	write(t, dir, "secret.txt", "from a file")
	m, err := Load(t.Context(), Source{Project: project, Directory: dir, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	clean := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Down(ctx, project, true, nil); err != nil {
			t.Error(err)
		}
	}
	clean()
	t.Cleanup(clean)
	return m
}

func up(t *testing.T, e *Engine, m *Model, d Deployment) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	return e.Up(ctx, m, d, func(ev engine.Event) { t.Logf("%s %s %s%s %s", ev.Kind, ev.Action, ev.Container, ev.ID, ev.Text) })
}

func mustUp(t *testing.T, e *Engine, m *Model, d Deployment) {
	t.Helper()
	if err := up(t, e, m, d); err != nil {
		t.Fatal(err)
	}
}

func containers(t *testing.T, e *Engine, project string) map[string]engine.Container {
	t.Helper()
	all, err := e.Containers(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]engine.Container{}
	for _, c := range all {
		out[c.Name] = c
	}
	return out
}
