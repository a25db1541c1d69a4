package runnertest

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// User is the user that a hosted runner has; an action's container runs as root.
const User = 1001

// Step is one use of a container action.
type Step struct {
	Engine    client.APIClient
	Image     string
	Workspace string            // on this machine
	Inputs    map[string]string // as the workflow gives them; the runner adds the declared ones that are not there
	Declared  []string          // inputs of action.yml
	Env       []string          // KEY=value of the job
	Labels    map[string]string // on the container
	CancelAt  string            // cancels the job when a line of the log holds this
}

// Result is what the runner knows after a step.
type Result struct {
	Code     int
	Raw      string // the log as the step wrote it
	Shown    string // the log as people see it
	Commands []Command
	Outputs  map[string]string
	State    map[string]string
	Summary  string
	Temp     string // the runner's folder for temporary files, on this machine
	ToEnd    time.Duration
}

// Run does the step as the runner does: a container that is removed, with the engine's socket, the runner's folders and
// variables, and without a terminal or an input. A cancelled step gets SIGINT, 7.5 s later SIGTERM, and lives on.
func (s Step) Run(t testing.TB) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var res Result
	folders := t.TempDir()
	binds := []mount.Mount{
		{Type: mount.TypeBind, Source: "/var/run/docker.sock", Target: "/var/run/docker.sock"},
		{Type: mount.TypeBind, Source: s.Workspace, Target: "/github/workspace"},
	}
	for _, name := range []string{"home", "workflow", "file_commands", "runner_temp"} {
		dir := filepath.Join(folders, name)
		must(t, os.Mkdir(dir, 0o755))
		binds = append(binds, mount.Mount{Type: mount.TypeBind, Source: dir, Target: "/github/" + name})
	}
	res.Temp = filepath.Join(folders, "runner_temp")
	must(t, os.WriteFile(filepath.Join(folders, "workflow", "event.json"), []byte(`{"inputs":{}}`), 0o644))
	for _, name := range []string{"output", "state", "summary", "env", "path"} {
		must(t, os.WriteFile(filepath.Join(folders, "file_commands", name), nil, 0o644))
	}
	giveToUser(t, folders)
	must(t, os.Chown(s.Workspace, owner(), owner()))

	created, err := s.Engine.ContainerCreate(ctx, &container.Config{Image: s.Image, WorkingDir: "/github/workspace", Env: s.environ(), Labels: s.Labels}, &container.HostConfig{Mounts: binds}, nil, nil, "")
	must(t, err)
	defer func() {
		_ = s.Engine.ContainerRemove(context.WithoutCancel(ctx), created.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}()
	streams, err := s.Engine.ContainerAttach(ctx, created.ID, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	must(t, err)
	defer streams.Close()
	exited, failed := s.Engine.ContainerWait(ctx, created.ID, container.WaitConditionNextExit)
	must(t, s.Engine.ContainerStart(ctx, created.ID, container.StartOptions{}))

	var stderr bytes.Buffer
	var cancelled time.Time
	log := &watched{at: s.CancelAt, call: sync.OnceFunc(func() {
		cancelled = time.Now()
		t.Logf("cancelled at %q", s.CancelAt)
		_ = s.Engine.ContainerKill(ctx, created.ID, "SIGINT")
		time.AfterFunc(7500*time.Millisecond, func() { _ = s.Engine.ContainerKill(ctx, created.ID, "SIGTERM") })
	})}
	_, err = stdcopy.StdCopy(log, &stderr, streams.Reader)
	must(t, err)
	select {
	case end := <-exited:
		res.Code = int(end.StatusCode)
	case err := <-failed:
		t.Fatal(err)
	}
	if !cancelled.IsZero() {
		res.ToEnd = time.Since(cancelled)
	}
	if stderr.Len() > 0 {
		t.Errorf("written to the error stream, where it may overtake masks: %s", stderr.String())
	}
	res.Raw = log.text.String()
	res.Shown, res.Commands = ReadLog(t, res.Raw)
	file := func(name string) string {
		data, err := os.ReadFile(filepath.Join(folders, "file_commands", name))
		must(t, err)
		return string(data)
	}
	res.Outputs, res.State = pairs(t, file("output")), pairs(t, file("state"))
	res.Summary = file("summary")
	if len(res.Summary) > 1<<20 {
		t.Errorf("a summary of %d bytes: it is dropped", len(res.Summary))
	}
	return res
}

// environ are the variables of a step's container.
func (s Step) environ() []string {
	inputs := map[string]string{}
	for _, name := range s.Declared {
		inputs[name] = ""
	}
	maps.Copy(inputs, s.Inputs)
	env := []string{
		"HOME=/github/home", "CI=true", "GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=/github/workspace", "GITHUB_EVENT_PATH=/github/workflow/event.json", "GITHUB_EVENT_NAME=workflow_dispatch",
		"GITHUB_OUTPUT=/github/file_commands/output", "GITHUB_STATE=/github/file_commands/state", "GITHUB_STEP_SUMMARY=/github/file_commands/summary",
		"GITHUB_ENV=/github/file_commands/env", "GITHUB_PATH=/github/file_commands/path", "GITHUB_RUN_ID=4711", "GITHUB_RUN_ATTEMPT=1", "GITHUB_ACTOR=octocat", "GITHUB_REPOSITORY=org/shop",
		"GITHUB_SERVER_URL=https://github.com", "GITHUB_REF=refs/heads/main", "GITHUB_ACTION=__run", "RUNNER_OS=Linux", "RUNNER_TEMP=/github/runner_temp",
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		env = append(env, "INPUT_"+strings.ToUpper(strings.ReplaceAll(name, " ", "_"))+"="+inputs[name])
	}
	return append(env, s.Env...)
}

// owner is the runner's user, or this process's where it can't give files away.
func owner() int {
	if os.Geteuid() != 0 {
		return os.Geteuid()
	}
	return User
}

func giveToUser(t testing.TB, dir string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, owner(), owner())
	}))
}

func pairs(t testing.TB, data string) map[string]string {
	t.Helper()
	list, err := ReadPairs(data)
	if err != nil {
		t.Errorf("the runner fails the step: %v", err)
	}
	values := map[string]string{}
	for _, p := range list {
		values[p.Name] = p.Value
	}
	return values
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// watched keeps a log and calls when it comes to a text.
type watched struct {
	text bytes.Buffer
	at   string
	call func()
}

func (w *watched) Write(p []byte) (int, error) {
	w.text.Write(p)
	if w.at != "" && strings.Contains(w.text.String(), w.at) {
		w.call()
	}
	return len(p), nil
}
