package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/process"
)

// Compose projects of these tests begin with prefix; those older than oldest were left by a killed run.
const (
	prefix = "promote-e2e-"
	oldest = time.Hour
)

// world is what all tests share.
var world struct {
	err      error  // why there is none
	binary   string // the program
	stack    *compose.Engine
	engine   *client.Client
	postgres string // image
	agent    string // image
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "promote-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	use, err := demo.UseImages(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer use.Close()
	world.err = prepare(ctx, dir)
	if world.engine != nil {
		defer world.engine.Close()
	}
	if world.stack != nil {
		defer world.stack.Close()
	}
	code := m.Run()
	if world.agent != "" {
		if err := world.stack.RemoveImage(ctx, world.agent); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return code
}

func prepare(ctx context.Context, dir string) error {
	var err error
	if world.stack, err = compose.Open(ctx, engine.Endpoint{}); err != nil {
		return err
	}
	if world.engine, err = demo.Connect(world.stack.Host()); err != nil {
		return err
	}
	if err := sweep(ctx); err != nil {
		return err
	}
	log := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	if world.postgres, err = demo.EnsurePostgres(ctx, world.engine, 15, log); err != nil {
		return err
	}
	releases := []demo.Release{{Number: 1}, {Number: 2}}
	for _, f := range fault.All() {
		releases = append(releases, demo.Broken(f))
	}
	if err := demo.Build(ctx, world.engine, log, releases...); err != nil {
		return err
	}
	world.binary = filepath.Join(dir, "promote")
	_, err = process.Output(ctx, process.Command{
		Path: "go", Args: []string{"build", "-trimpath", "-buildvcs=false", "-o", world.binary, "../../cmd/promote"}, Env: []string{"CGO_ENABLED=0"},
	})
	if err != nil {
		return err
	}
	world.agent, err = agent.Load(ctx, world.stack, world.binary, "test") // so that no demo takes it away while others need it
	return err
}

// need skips the test where there is no engine to test on, but never in CI.
func need(t *testing.T) {
	t.Helper()
	if world.err == nil {
		return
	}
	var endpoint *compose.EndpointError
	if errors.As(world.err, &endpoint) && os.Getenv("CI") != "true" {
		t.Skip(world.err)
	}
	t.Fatal(world.err)
}

// sweep removes what killed runs left.
func sweep(ctx context.Context) error {
	old := map[string]bool{}
	see := func(created time.Time, labels map[string]string) {
		for _, key := range []string{"com.docker.compose.project", "dev.promote.project"} {
			if name := labels[key]; strings.HasPrefix(name, prefix) && time.Since(created) > oldest {
				old[name] = true
			}
		}
	}
	containers, err := world.engine.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return err
	}
	for _, c := range containers {
		see(time.Unix(c.Created, 0), c.Labels)
	}
	volumes, err := world.engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs()})
	if err != nil {
		return err
	}
	for _, v := range volumes.Volumes {
		created, _ := time.Parse(time.RFC3339, v.CreatedAt)
		see(created, v.Labels)
	}
	for name := range old {
		if err := demo.RemovePromoted(ctx, world.engine, name); err != nil {
			return err
		}
	}
	return nil
}

// unique is a name for two projects.
func unique() string { return prefix + strings.ToLower(rand.Text()[:6]) }
