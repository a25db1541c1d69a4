package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
)

// pair is two environments with two services each that do nothing, development one image ahead of staging. Every call of promote
// is a process of its own, and the agent is this test program.
type pair struct {
	engine  *compose.Engine
	host    string // of the engine; empty is the caller's own
	exe     string
	dir     string
	dev     string // Compose projects
	staging string
	first   string // image of staging at the start
	next    string // image of development
}

const (
	firstName = "promote-cli-test"
	nextName  = "promote-cli-test-next"
)

// newPair starts both environments on the engine at host. All of it goes with the test.
func newPair(t *testing.T, host string) *pair {
	t.Helper()
	p := pairOn(t, host)
	p.up(t)
	return p
}

// pairOn is a pair of which nothing runs yet.
func pairOn(t *testing.T, host string) *pair {
	t.Helper()
	e, err := compose.Open(t.Context(), engine.Endpoint{Host: host})
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	sweep(t, e)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	project := "promote-cli-test-" + random()
	p := &pair{engine: e, host: host, exe: exe, dir: t.TempDir(), dev: project + "-dev", staging: project + "-staging"}
	for name, ref := range map[string]*string{firstName: &p.first, nextName: &p.next} {
		if *ref, err = e.LoadExecutable(t.Context(), exe, name, map[string]string{testLabel: testName, "name": name}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, tag, _ := strings.Cut(p.first, ":")
		for _, ref := range []string{p.first, p.next, "promote-agent:" + tag} {
			_ = e.RemoveImage(ctx, ref)
		}
	})
	for _, project := range []string{p.dev, p.staging} {
		t.Cleanup(func() { p.forget(t, project) })
	}
	p.write(t, ".github/promote.yml", fmt.Sprintf(`version: 1
environments:
  development: {host: %[3]q, compose: {project: %[1]s, files: [compose.yml], env_files: [dev.env]}}
  staging: {host: %[3]q, compose: {project: %[2]s, files: [compose.yml], env_files: [staging.env]}}
policy: {settle: 1s}
`, p.dev, p.staging, host))
	p.write(t, "compose.yml", `services:
  web:
    image: "${IMAGE}"
    restart: unless-stopped
    labels: {dev.promote.test: cli}
    environment: {PROMOTE_TEST_SAYS: web, PROMOTE_TEST_LINGERS: "${LINGERS}"}
  worker:
    image: "${IMAGE}"
    restart: unless-stopped
    labels: {dev.promote.test: cli}
    environment: {PROMOTE_TEST_SAYS: worker, PROMOTE_TEST_LINGERS: "${LINGERS}"}
`)
	p.write(t, "dev.env", "IMAGE="+p.next+"\nLINGERS=0s\n")
	p.write(t, "staging.env", "IMAGE="+p.first+"\nLINGERS=0s\n")
	return p
}

func (p *pair) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) up(t *testing.T) {
	t.Helper()
	p.upOne(t, p.dev, "dev.env")
	p.upOne(t, p.staging, "staging.env")
}

func (p *pair) upOne(t *testing.T, project, env string) {
	t.Helper()
	model, err := compose.Load(t.Context(), compose.Source{Project: project, Directory: p.dir, Files: []string{filepath.Join(p.dir, "compose.yml")}, EnvFiles: []string{filepath.Join(p.dir, env)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.engine.Up(t.Context(), model, compose.Deployment{}, nil); err != nil {
		t.Fatal(err)
	}
}

// forget removes all of a project, with the names that hold its images.
func (p *pair) forget(t *testing.T, project string) {
	remove(t, p.engine, project)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	images, err := p.engine.Images(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, i := range images {
		for _, tag := range i.Tags {
			if strings.HasPrefix(tag, "promote.local/"+project+"/") {
				_ = p.engine.RemoveImage(ctx, tag)
			}
		}
	}
}

// answer is what a call of promote did.
type answer struct {
	code   int
	stdout string
	stderr string
	result promotion.Result // with --format json
}

// call is a running call of promote.
type call struct {
	cmd            *exec.Cmd
	stdout, stderr output
}

// output may be read while a process writes to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// start begins a call as the given user.
func (p *pair) start(t *testing.T, user string, args ...string) *call {
	t.Helper()
	c := &call{cmd: exec.CommandContext(t.Context(), p.exe)}
	c.cmd.Args = append([]string{"promote"}, args...)
	c.cmd.Dir, c.cmd.Stdout, c.cmd.Stderr = p.dir, &c.stdout, &c.stderr
	c.cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=", "GITHUB_ACTOR=", "USER="+user, "BACKUP_DIR="+filepath.Join(p.dir, "backups"))
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// callTime bounds one call.
const callTime = 4 * time.Minute

func (c *call) until(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(callTime); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(c.stderr.String(), text) {
			return
		}
	}
	t.Fatalf("%q never came:\n%s", text, c.stderr.String())
}

func (c *call) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (c *call) end(t *testing.T) answer {
	t.Helper()
	timer := time.AfterFunc(callTime, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	var exit *exec.ExitError
	if err := c.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	a := answer{code: c.cmd.ProcessState.ExitCode(), stdout: c.stdout.String(), stderr: c.stderr.String()}
	_ = json.Unmarshal([]byte(a.stdout), &a.result)
	return a
}

// run makes a call and waits for its end; want is the exit code, and every word has to be in what it says.
func (p *pair) run(t *testing.T, want int, words []string, args ...string) answer {
	t.Helper()
	a := p.start(t, "tester", args...).end(t)
	all := a.stdout + a.stderr
	if a.code != want {
		t.Fatalf("promote %s: exit code %d, want %d\n%s", strings.Join(args, " "), a.code, want, all)
	}
	for _, word := range words {
		if !strings.Contains(all, word) {
			t.Errorf("promote %s does not say %q:\n%s", strings.Join(args, " "), word, all)
		}
	}
	return a
}

// json is run with a result.
func (p *pair) json(t *testing.T, want int, words []string, args ...string) promotion.Result {
	t.Helper()
	a := p.run(t, want, words, append(args, "--format", "json")...)
	if a.result.Schema == "" {
		t.Fatalf("promote %s: no result: %s\n%s", strings.Join(args, " "), a.stdout, a.stderr)
	}
	return a.result
}

// images are the image ids that staging's services run.
func (p *pair) images(t *testing.T) map[string]string {
	t.Helper()
	all, err := p.engine.Containers(t.Context(), p.staging)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range all {
		out[c.Service] = c.ImageID + " " + c.State
	}
	return out
}

// runs fails the test unless staging wholly runs the image ref.
func (p *pair) runs(t *testing.T, ref string) {
	t.Helper()
	image, err := p.engine.Image(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	got := p.images(t)
	for _, service := range []string{"web", "worker"} {
		if got[service] != image.ID+" running" {
			t.Errorf("%s of staging: %s, want %s (%s) running", service, got[service], image.ID, ref)
		}
	}
}

// holder makes a container, never started, that has the state volume.
func (p *pair) holder(t *testing.T) string {
	t.Helper()
	id, err := p.engine.CreateAgent(t.Context(), compose.AgentSpec{
		Name: p.staging + "-look-" + random(), Image: p.first, Labels: map[string]string{agent.LabelProject: p.staging},
		Mounts: []engine.Mount{{Type: "volume", Name: agent.StateVolume(p.staging), Target: agent.StateDir, RW: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// state copies the state volume out, and returns the folder.
func (p *pair) state(t *testing.T) string {
	t.Helper()
	id := p.holder(t)
	defer func() { _ = p.engine.RemoveContainer(context.Background(), id) }()
	stream, err := p.engine.CopyRaw(t.Context(), id, agent.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	dir, err := os.MkdirTemp(p.dir, "state-")
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return filepath.Join(dir, "state")
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Clean("/"+h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o700)
		case tar.TypeReg:
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// put writes one file of the state volume.
func (p *pair) put(t *testing.T, name string, data []byte) {
	t.Helper()
	id := p.holder(t)
	defer func() { _ = p.engine.RemoveContainer(context.Background(), id) }()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.engine.CopyTo(t.Context(), id, agent.StateDir, &b); err != nil {
		t.Fatal(err)
	}
}

// gone waits until no agent of staging is left.
func (p *pair) gone(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(callTime); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err := p.engine.Container(t.Context(), agent.Name(p.staging)); errors.Is(err, compose.ErrNotFound) {
			return
		}
	}
	t.Fatal("the agent is still there")
}

// whole leaves out what a part of the tests does not need; PROMOTE_E2E=whole runs it.
func whole(t *testing.T) {
	t.Helper()
	if os.Getenv("PROMOTE_E2E") != "whole" {
		t.Skip("belongs to the whole: PROMOTE_E2E=whole")
	}
}

// linger makes staging's services take so long to stop.
func (p *pair) linger(t *testing.T, long string) {
	t.Helper()
	p.write(t, "staging.env", "IMAGE="+p.first+"\nLINGERS="+long+"\n")
}
