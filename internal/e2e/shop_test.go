package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/promotion"
)

// promoteTime bounds one call of the program.
const promoteTime = 4 * time.Minute

// options are with what a shop starts.
type options struct {
	dev, staging demo.Release
	seed         int64 // bytes in staging's database; 0 is little
}

// shop is the sample system, both environments running, of one test alone.
type shop struct {
	demo.Shop
	backups string
	host    string // of the engine, where it is not the ordinary one
}

// newShop starts both environments. They go with the test.
func newShop(t *testing.T, o options) *shop {
	t.Helper()
	need(t)
	name := unique()
	dir := t.TempDir()
	written, err := demo.Write(filepath.Join(dir, "shop"), demo.Options{
		Development: name + "-dev", Staging: name + "-staging", DevelopmentAt: o.dev, StagingAt: o.staging, Postgres: world.postgres,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{Shop: written, backups: filepath.Join(dir, "backups")}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, env := range []demo.Environment{s.Development, s.Staging} {
			if err := demo.RemovePromoted(ctx, world.engine, env.Project); err != nil {
				t.Error(err)
			}
		}
	})
	var wg sync.WaitGroup
	var devErr, stagingErr error
	wg.Go(func() { devErr = s.up(t.Context(), s.Development, o.dev) })
	wg.Go(func() {
		if stagingErr = s.up(t.Context(), s.Staging, o.staging); stagingErr == nil {
			stagingErr = s.Staging.Seed(t.Context(), world.engine, max(o.seed, 1<<20), t.Logf)
		}
	})
	wg.Wait()
	if err := errors.Join(devErr, stagingErr); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shop) up(ctx context.Context, env demo.Environment, r demo.Release) error {
	return env.Up(ctx, demo.Stack{Engine: world.stack}, r, func(string, ...any) {})
}

// release brings development to a release.
func (s *shop) release(t *testing.T, r demo.Release) {
	t.Helper()
	if err := s.up(t.Context(), s.Development, r); err != nil {
		t.Fatal(err)
	}
}

// answer is what the program did.
type answer struct {
	code   int
	result promotion.Result
	stdout string
	stderr string // its end
}

// call runs the program as a user does, with JSON on standard output.
func (s *shop) call(t *testing.T, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), promoteTime)
	defer cancel()
	env := []string{"BACKUP_DIR=" + s.backups}
	for _, key := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	args = append(args, "--config", s.Config, "--log-dir", s.Dir, "--format", "json")
	out, err := process.Output(ctx, process.Command{Path: world.binary, Args: args, Dir: s.Dir, Env: env})
	a := answer{stdout: string(out)}
	var failed *process.Error
	if errors.As(err, &failed) {
		a.code, a.stderr = failed.Code, failed.Tail
	} else if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("promote %s: %v\n%s", args[0], context.Cause(ctx), a.stderr)
	}
	if err := json.Unmarshal(out, &a.result); err != nil {
		t.Fatalf("promote %s, exit code %d: standard output is no JSON: %v\n%s\n%s", args[0], a.code, err, out, a.stderr)
	}
	return a
}

// promote runs a whole promotion from development to staging.
func (s *shop) promote(t *testing.T, args ...string) answer {
	t.Helper()
	began := time.Now()
	a := s.call(t, append([]string{"run"}, args...)...)
	t.Logf("promote run: exit code %d, %s in %s, downtime %s", a.code, a.result.Outcome, time.Since(began).Round(100*time.Millisecond), a.result.Downtime)
	return a
}

// containers are all containers of a project, those of one-shots too.
func containers(t testing.TB, project string) []container.InspectResponse {
	t.Helper()
	list, err := world.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+project))})
	if err != nil {
		t.Fatal(err)
	}
	var out []container.InspectResponse
	for _, c := range list {
		info, err := world.engine.ContainerInspect(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, info)
	}
	return out
}

func service(c container.InspectResponse) string {
	return c.Config.Labels["com.docker.compose.service"]
}

// sql runs a query in staging's database as its owner, by the psql of the database's own container, and returns the rows.
func (s *shop) sql(t testing.TB, query string) []string {
	t.Helper()
	out := s.inDatabase(t, s.Staging.Project, "psql", "-h", "127.0.0.1", "-U", "shop", "-d", "shop", "-v", "ON_ERROR_STOP=1", "-AtX", "-c", query)
	if out = strings.TrimSpace(out); out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// inDatabase runs a command in the container of an environment's database.
func (s *shop) inDatabase(t testing.TB, project string, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, c := range containers(t, project) {
		if service(c) != "db" {
			continue
		}
		created, err := world.engine.ContainerExecCreate(ctx, c.ID, container.ExecOptions{
			Cmd: argv, Env: []string{"PGPASSWORD=" + s.password(t, project)}, AttachStdout: true, AttachStderr: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := world.engine.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		var out, errs bytes.Buffer
		if _, err := stdcopy.StdCopy(&out, &errs, stream.Reader); err != nil {
			t.Fatal(err)
		}
		for {
			state, err := world.engine.ContainerExecInspect(ctx, created.ID)
			if err != nil {
				t.Fatal(err)
			}
			if state.Running {
				time.Sleep(20 * time.Millisecond)
				continue
			}
			if state.ExitCode != 0 {
				t.Fatalf("%s in the database's container: exit status %d: %s", argv[0], state.ExitCode, errs.String())
			}
			return out.String()
		}
	}
	t.Fatalf("%s has no database container", project)
	return ""
}

func (s *shop) password(t testing.TB, project string) string {
	t.Helper()
	env := s.Staging
	if project == s.Development.Project {
		env = s.Development
	}
	data, err := os.ReadFile(env.EnvFile)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "SHOP_DB_PASSWORD="); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatal("no password in " + env.EnvFile)
	return ""
}
