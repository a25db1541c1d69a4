package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// running is a call of the program that has not ended yet.
type running struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lines
}

// start begins a call as call makes it.
func (s *shop) start(t testing.TB, args ...string) *running {
	t.Helper()
	args = append(args, "--config", s.Config, "--log-dir", s.Dir, "--format", "json")
	r := &running{cmd: exec.CommandContext(t.Context(), world.binary, args...)}
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = s.Dir, &r.stdout, &r.stderr
	r.cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=", "BACKUP_DIR="+s.backups)
	if s.host != "" {
		r.cmd.Env = append(r.cmd.Env, "DOCKER_HOST="+s.host)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return r
}

// until waits for a text on standard error.
func (r *running) until(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(promoteTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.Contains(r.stderr.String(), text) {
			return
		}
	}
	t.Fatalf("%q never came:\n%s", text, r.stderr.String())
}

// signal sends a signal to the program alone.
func (r *running) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// end waits for the end of the call.
func (r *running) end(t *testing.T) answer {
	t.Helper()
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	a := answer{code: r.cmd.ProcessState.ExitCode(), stdout: r.stdout.String(), stderr: r.stderr.String()}
	if r.stdout.Len() > 0 && a.code != -1 {
		if err := json.Unmarshal(r.stdout.Bytes(), &a.result); err != nil {
			t.Fatalf("standard output is no JSON: %v\n%s\n%s", err, a.stdout, a.stderr)
		}
	}
	return a
}

// lines may be read while a process writes to it.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
