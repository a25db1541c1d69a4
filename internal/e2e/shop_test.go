package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
)

const prefix = "promote-e2e-"

// missing skips a test whose tool is not there, but never in CI.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// binary is the program, built once for all tests of this process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "promote-e2e")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "promote")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "github.com/org/promote-action/cmd/promote")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// shop is the sample system with both environments.
type shop struct {
	demo.Shop
	t      *testing.T
	docker *client.Client
	engine *compose.Engine
	exe    string
}

// newShop brings both environments up: development at the first release, staging at the second.
func newShop(t *testing.T, name string, dev, staging demo.Release) *shop {
	t.Helper()
	if testing.Short() && name != "happy" {
		t.Skip("left out of the short run")
	}
	ctx := t.Context()
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		missing(t, err)
	}
	if _, err := docker.Ping(ctx); err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	e, err := compose.Open(ctx, engine.Endpoint{})
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { _ = e.Close() })
	exe, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t, docker: docker, engine: e, exe: exe}
	// The names are the test's own: what a killed predecessor left is found by them, and goes first.
	s.remove(name)
	t.Cleanup(func() { s.remove(name) })
	postgres, err := demo.EnsurePostgres(ctx, docker, 15, t.Logf)
	if err != nil {
		missing(t, err)
	}
	if err := demo.Build(ctx, docker, t.Logf, releases()...); err != nil {
		t.Fatal(err)
	}
	s.Shop, err = demo.Write(t.TempDir(), demo.Options{Development: prefix + name + "-dev", Staging: prefix + name + "-staging", Postgres: postgres})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var devErr, stagingErr error
	wg.Go(func() { devErr = s.up(s.Development, dev) })
	wg.Go(func() { stagingErr = s.up(s.Staging, staging) })
	wg.Wait()
	if err := errors.Join(devErr, stagingErr); err != nil {
		t.Fatal(err)
	}
	if err := s.Staging.Seed(ctx, docker, 1<<20, t.Logf); err != nil {
		t.Fatal(err)
	}
	return s
}

func releases() []demo.Release {
	list := []demo.Release{{Number: 1}, {Number: 2}, {Number: 3}}
	for _, f := range fault.All() {
		list = append(list, demo.Broken(f))
	}
	return list
}

func (s *shop) remove(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, env := range []string{"-dev", "-staging"} {
		if err := demo.RemovePromoted(ctx, s.docker, prefix+name+env); err != nil {
			s.t.Errorf("clean up: %v", err)
		}
	}
}

func (s *shop) up(env demo.Environment, r demo.Release) error {
	return env.Up(s.t.Context(), demo.Stack{Engine: s.engine}, r, s.t.Logf)
}

// develop brings development to another release.
func (s *shop) develop(r demo.Release) {
	s.t.Helper()
	if err := s.up(s.Development, r); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) look() demo.Look {
	s.t.Helper()
	l, err := s.Staging.Look(s.t.Context(), s.docker)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// call is one run of the program.
type call struct {
	s      *shop
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lockedBuffer
}

// start begins a command in the shop's folder.
func (s *shop) start(args ...string) *call {
	s.t.Helper()
	c := &call{s: s, cmd: exec.Command(s.exe, args...)}
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = s.Dir, &c.stdout, &c.stderr
	c.cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=", "NO_COLOR=1")
	if err := c.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	})
	return c
}

// wait returns the exit code and the result.
func (c *call) wait() (int, promotion.Result) {
	c.s.t.Helper()
	err := c.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.s.t.Fatal(err)
	}
	var res promotion.Result
	if c.stdout.Len() > 0 {
		if err := json.Unmarshal(c.stdout.Bytes(), &res); err != nil {
			c.s.t.Fatalf("standard output is not one JSON document: %v\n%s", err, c.stdout.String())
		}
	}
	return c.cmd.ProcessState.ExitCode(), res
}

// until waits until standard error holds a text, and reports whether it came before the end.
func (c *call) until(text string) {
	c.s.t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(c.stderr.String(), text) {
			return
		}
	}
	c.s.t.Fatalf("%q never came:\n%s", text, c.stderr.String())
}

// promote runs a whole promotion.
func (s *shop) promote(args ...string) (int, promotion.Result) {
	s.t.Helper()
	return s.start(append([]string{"run", "--format", "json"}, args...)...).wait()
}

// expect fails the test when a promotion did not end as it has to.
func (s *shop) expect(what string, code int, res promotion.Result, wantCode int, want promotion.Outcome) {
	s.t.Helper()
	if code == wantCode && res.Outcome == want {
		return
	}
	text, _ := json.MarshalIndent(res, "", " ")
	s.t.Fatalf("%s: exit code %d, outcome %q (want %d, %q)\n%s", what, code, res.Outcome, wantCode, want, text)
}

// unchanged fails the test when staging is not what it was.
func (s *shop) unchanged(what string, was demo.Look) {
	s.t.Helper()
	for _, d := range s.look().Differences(was) {
		s.t.Errorf("%s: staging is not what it was: %s", what, d)
	}
}

// clean fails the test when a promotion has left a container, a closed database or a copy that it should not.
func (s *shop) clean(what string) {
	s.t.Helper()
	ctx := s.t.Context()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		list, err := s.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "dev.promote.project="+s.Staging.Project))})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s: left behind: %s %s", what, list[0].Names[0], list[0].Status)
		}
	}
	for _, line := range s.sql("select datname from pg_database where datname not like 'promote.%' and not datallowconn and datname <> 'template0'") {
		s.t.Errorf("%s: database %s takes no connections", what, line)
	}
	if left := s.sql("select datname from pg_database where datname like 'promote.%'"); len(left) > 2 {
		s.t.Errorf("%s: copies that nobody needs: %v", what, left)
	}
}

// sql asks staging's server and returns the lines of the answer.
func (s *shop) sql(query string) []string {
	s.t.Helper()
	out, err := exec.CommandContext(s.t.Context(), "docker", "exec", s.Staging.Project+"-db-1", "psql", "-U", "shop", "-d", "postgres", "-Atc", query).Output()
	if err != nil {
		s.t.Fatalf("psql: %v", err)
	}
	return strings.Fields(string(out))
}

// lockedBuffer may be read while a process writes to it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
