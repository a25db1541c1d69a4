package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/process"
)

// testLabel is on what these tests make besides Compose projects, whose names begin with testProject.
const (
	testLabel   = "dev.promote.test=demo"
	testProject = "promote-test-demo-"
)

// missing skips a test whose tool is not there, but never in CI.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func connect(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Ping(t.Context()); err != nil {
		missing(t, "no Docker engine: %v", err)
	}
	use, err := UseImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(use.Close)
	return c
}

// cli is a Composer by the command line, docker compose or docker-compose, whichever is there.
type cli struct {
	t      *testing.T
	engine *client.Client
	argv   []string
}

func composer(t *testing.T, engine *client.Client) *cli {
	t.Helper()
	if _, err := process.Output(t.Context(), process.Command{Path: "docker", Args: []string{"compose", "version"}}); err == nil {
		return &cli{t, engine, []string{"docker", "compose"}}
	}
	path, err := exec.LookPath("docker-compose")
	if err != nil {
		t.Skip("neither docker compose nor docker-compose is installed; the same is tested through the Compose library elsewhere")
	}
	return &cli{t, engine, []string{path}}
}

func (c *cli) Up(ctx context.Context, project, dir string, files, envFiles []string) error {
	args := append([]string(nil), c.argv[1:]...)
	args = append(args, "-p", project)
	for _, f := range files {
		args = append(args, "-f", f)
	}
	args = append(args, "--env-file", envFiles[0], "up", "-d")
	if _, err := process.Output(ctx, process.Command{Path: c.argv[0], Args: args, Dir: dir}); err != nil {
		return err
	}
	return c.healthy(ctx, project)
}

func (c *cli) Down(ctx context.Context, project string) error { return Remove(ctx, c.engine, project) }

// healthy waits until the five services that stay are healthy.
func (c *cli) healthy(ctx context.Context, project string) error {
	for {
		states := c.states(ctx, project)
		good, bad := 0, ""
		for service, s := range states {
			switch s {
			case "healthy":
				good++
			case "unhealthy", "restarting":
				bad = service + " is " + s
			}
		}
		if good == 5 {
			return nil
		}
		if bad != "" {
			return fmt.Errorf("%s", bad)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %v", context.Cause(ctx), states)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// states are the services of a project with their health, or their state where that says more.
func (c *cli) states(ctx context.Context, project string) map[string]string {
	list, err := c.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", projectLabel+"="+project))})
	if err != nil {
		return nil
	}
	states := map[string]string{}
	for _, summary := range list {
		state := summary.State
		for _, health := range []string{"(healthy)", "(unhealthy)", "(health: starting)"} {
			if state == "running" && strings.HasSuffix(summary.Status, health) {
				state = strings.Trim(health, "()")
			}
		}
		states[summary.Labels[serviceLabel]] = state
	}
	return states
}

// project is a name for a Compose project that goes when the test ends; what killed predecessors left goes first.
func project(t *testing.T, engine *client.Client) string {
	t.Helper()
	list, err := engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", projectLabel))})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		name := c.Labels[projectLabel]
		if strings.HasPrefix(name, testProject) && time.Since(time.Unix(c.Created, 0)) > 15*time.Minute {
			if err := Remove(t.Context(), engine, name); err != nil {
				t.Log(err)
			}
		}
	}
	name := testProject + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() {
		if err := Remove(context.WithoutCancel(t.Context()), engine, name); err != nil {
			t.Error(err)
		}
	})
	return name
}

// get asks an address and returns status and body; status 0 when there is no answer.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	var body strings.Builder
	if err := res.Write(&body); err != nil {
		return 0, err.Error()
	}
	_, text, _ := strings.Cut(body.String(), "\r\n\r\n")
	return res.StatusCode, text
}

// tarOf is an archive with files that everybody may read.
func tarOf(t *testing.T, files map[string]string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		if err := add(w, &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}
