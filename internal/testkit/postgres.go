// Package testkit makes real things for tests and takes them away again: PostgreSQL servers of the machine's own
// installation, or of an image of the major version that is asked for. Only tests import it.
package testkit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/process"
)

const (
	leftoverPrefix = "promote-test-postgres-"
	account        = "postgres" // the server refuses to run as root
)

// PasswordUser is the one role, made by the test that needs it, that has to give its password.
const PasswordUser = "password_user"

// Server is a throwaway PostgreSQL server that trusts everyone else on its loopback port and its unix socket.
type Server struct {
	Bin  string // the installation's programs
	Dir  string // 0755; holds data, log and socket
	Port int
	User string // superuser

	root *root // of an image; nil: the machine's own installation
}

// Host is the address that the server listens on.
func (s *Server) Host() string { return "127.0.0.1" }

// Data is the server's data directory.
func (s *Server) Data() string { return filepath.Join(s.Dir, "data") }

var shared struct {
	sync.Mutex
	server *Server
	err    error
}

// Postgres returns the server of this test process and starts it at the first call. Without an installation the test is
// skipped, or fails when CI=true. MajorVariable chooses another server than the installed one. Call StopPostgres at the end
// of TestMain.
func Postgres(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		s := server(t, chosenMajor(t))
		if err := s.create(nil); err != nil {
			shared.err = err
		} else {
			shared.server = s
		}
	}
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// NewPostgres starts a server of its own for one test, with settings added to postgresql.conf.
func NewPostgres(t testing.TB, settings ...string) *Server {
	t.Helper()
	return newPostgres(t, server(t, chosenMajor(t)), settings)
}

// NewPostgresIn is NewPostgres of a major version, with its directory below dir, which has to be in the temporary directory
// and is not removed.
func NewPostgresIn(t testing.TB, major int, dir string, settings ...string) *Server {
	t.Helper()
	s := server(t, major)
	s.Dir = filepath.Join(dir, "server")
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return newPostgres(t, s, settings)
}

func newPostgres(t testing.TB, s *Server, settings []string) *Server {
	t.Helper()
	if err := s.create(settings); err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(s.remove)
	return s
}

// StopPostgres stops the server that Postgres started and removes what was taken from images.
func StopPostgres() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
	closeRoots()
}

// server is one that has not been made yet, of a major version or, for 0, of the newest installation.
func server(t testing.TB, major int) *Server {
	t.Helper()
	removeLeftovers()
	s := &Server{User: "postgres"}
	if major == 0 {
		s.Bin = postgresBin(t)
		return s
	}
	if os.Getuid() != 0 {
		missing(t, fmt.Sprintf("PostgreSQL %d from its image needs root, for chroot", major))
	}
	r, err := imageRoot(major)
	if err != nil {
		missing(t, err.Error())
	}
	s.root, s.Bin = r, r.bin
	return s
}

// missing ends a test that the machine cannot run.
func missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" || os.Getenv(MajorVariable) != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func postgresBin(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		missing(t, "PostgreSQL is not installed: apt-get install postgresql")
	}
	slices.SortFunc(found, func(a, b string) int { return majorIn(a) - majorIn(b) })
	return filepath.Dir(found[len(found)-1])
}

func majorIn(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// create makes the server's directory and starts it. What a failure leaves is removed.
func (s *Server) create(settings []string) error {
	if s.Dir == "" {
		dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", leftoverPrefix, os.Getpid()))
		if err != nil {
			return err
		}
		s.Dir = dir
	}
	err := s.initialize(settings)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		s.remove()
	}
	return err
}

func (s *Server) initialize(settings []string) error {
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		return err
	}
	if os.Getuid() == 0 {
		if err := s.own(); err != nil {
			return err
		}
	}
	if err := s.run("initdb", "-D", s.Data(), "-U", s.User, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"); err != nil {
		return err
	}
	hba := filepath.Join(s.Data(), "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	if err != nil {
		return err
	}
	rules = append([]byte("host all "+PasswordUser+" 127.0.0.1/32 scram-sha-256\n"), rules...)
	if err := os.WriteFile(hba, rules, 0o600); err != nil { // keeps its owner
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	s.Port = port
	conf := append([]string{
		"listen_addresses = '127.0.0.1'", fmt.Sprintf("port = %d", port), "unix_socket_directories = '" + s.Dir + "'",
		"fsync = off", "shared_buffers = 32MB", "max_wal_size = 256MB", "max_prepared_transactions = 4", "wal_level = logical",
	}, settings...)
	f, err := os.OpenFile(filepath.Join(s.Data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(conf, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// own gives the directory to the account of the server.
func (s *Server) own() error {
	owner := account + ":"
	if s.root != nil {
		owner = s.root.account
	}
	out, err := process.Output(context.Background(), process.Command{Path: "chown", Args: []string{owner, s.Dir}})
	if err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	return nil
}

func (s *Server) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := process.Command{Path: filepath.Join(s.Bin, program), Args: args}
	switch {
	case s.root != nil:
		c = s.root.command(program, args)
	case os.Getuid() == 0:
		c.Args = append([]string{"--reuid=" + account, "--regid=" + account, "--init-groups", "--", c.Path}, args...)
		c.Path = "setpriv"
	}
	c.Dir = s.Dir
	_, err := process.Output(ctx, c)
	return err
}

// Start starts the server after Stop or Kill, and returns when it takes connections.
func (s *Server) Start() error {
	if err := s.run("pg_ctl", "start", "-D", s.Data(), "-w", "-t", "50", "-s", "-l", filepath.Join(s.Dir, "log")); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
		return fmt.Errorf("%w\n%s", err, log)
	}
	return nil
}

// Stop ends all sessions and stops the server.
func (s *Server) Stop() error {
	return s.run("pg_ctl", "stop", "-D", s.Data(), "-m", "fast", "-w", "-t", "50", "-s")
}

// Kill ends the server's processes with SIGKILL, as a crash of the machine would.
func (s *Server) Kill() error {
	pid, err := serverPID(s.Data())
	if err != nil {
		return err
	}
	children := childrenOf(pid)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for _, child := range children {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	for range 500 {
		if syscall.Kill(pid, 0) != nil && !slices.ContainsFunc(children, func(c int) bool { return syscall.Kill(c, 0) == nil }) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return os.Remove(filepath.Join(s.Data(), "postmaster.pid"))
}

func (s *Server) remove() {
	_ = s.Stop()
	_ = os.RemoveAll(s.Dir)
}

func serverPID(data string) (int, error) {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	return strconv.Atoi(strings.TrimSpace(first))
}

func childrenOf(pid int) []int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// removeLeftovers ends the servers of test processes that are no more.
func removeLeftovers() {
	for _, dir := range leftovers(leftoverPrefix) {
		s := &Server{Dir: dir}
		if pid, err := serverPID(s.Data()); err == nil {
			if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(line), dir) { // else the number is another's by now
				_ = s.Kill()
			}
		}
		_ = os.RemoveAll(dir)
	}
	for _, dir := range leftovers(rootPrefix) {
		_ = os.RemoveAll(dir)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
