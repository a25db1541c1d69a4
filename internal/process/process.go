// Package process is the one door through which this program starts others. A command is an argument vector with a
// context, a process group that ends with it, an allow-listed environment and a bounded tail of its output.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Command is what to run. Env holds whole KEY=value entries added to the allow-listed ones of the caller.
type Command struct {
	Path string
	Args []string
	Dir  string
	Env  []string
}

// Error is a command that did not end well.
type Error struct {
	Command string // program and first argument only: arguments may be long
	Code    int    // exit status; -1 when it was not started or was killed
	Tail    string // last lines of standard error
	Err     error
}

func (e *Error) Error() string {
	s := e.Command + ": " + e.Err.Error()
	if e.Tail != "" {
		s += ": " + e.Tail
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// passed are the caller's variables that a child may see.
func passed() []string {
	var env []string
	for _, key := range []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOTOOLCHAIN"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

// Output runs c to its end and returns its standard output. When ctx ends, the whole process group is killed.
func Output(ctx context.Context, c Command) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(passed(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	var tail Tail
	cmd.Stdout, cmd.Stderr = &out, &tail
	err := cmd.Run()
	if err == nil {
		return out.Bytes(), nil
	}
	name := c.Path
	if len(c.Args) > 0 {
		name += " " + c.Args[0]
	}
	code := -1
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
		err = fmt.Errorf("exit status %d", code)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.Bytes(), &Error{Command: name, Code: code, Tail: tail.String(), Err: err}
}

const tailBytes = 4096

// Tail is a writer that keeps the last four KiB of what is written to it.
type Tail struct{ buf []byte }

// Write never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

// String returns what was kept, without white space around it.
func (t *Tail) String() string { return strings.TrimSpace(string(t.buf)) }
