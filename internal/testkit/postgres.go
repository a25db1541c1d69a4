// Package testkit makes real things for tests and takes them away again: PostgreSQL servers of the machine's own
// installation, and Docker projects. Only tests import it.
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
// skipped, or fails when CI=true. Call StopPostgres at the end of TestMain.
func Postgres(t testing.TB) *Server {
	t.Helper()
	bin := postgresBin(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = startPostgres(bin, nil)
	}
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
	return shared.server
}

// NewPostgres starts a server of its own for one test, with settings added to postgresql.conf.
func NewPostgres(t testing.TB, settings ...string) *Server {
	t.Helper()
	s, err := startPostgres(postgresBin(t), settings)
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(s.remove)
	return s
}

// StopPostgres stops the server that Postgres started.
func StopPostgres() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.remove()
		shared.server = nil
	}
}

func postgresBin(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("PostgreSQL is not installed: apt-get install postgresql")
		}
		t.Skip("PostgreSQL is not installed: apt-get install postgresql")
	}
	slices.SortFunc(found, func(a, b string) int { return majorIn(a) - majorIn(b) })
	return filepath.Dir(found[len(found)-1])
}

func majorIn(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

func startPostgres(bin string, settings []string) (*Server, error) {
	removeLeftovers()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", leftoverPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	s := &Server{Bin: bin, Dir: dir, User: "postgres"}
	if err := s.initialize(settings); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, s.Start()
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
	out, err := process.Output(context.Background(), process.Command{Path: "chown", Args: []string{account + ":", s.Dir}})
	if err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	return nil
}

func (s *Server) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := process.Command{Path: filepath.Join(s.Bin, program), Args: args, Dir: s.Dir}
	if os.Getuid() == 0 {
		c.Args = append([]string{"--reuid=" + account, "--regid=" + account, "--init-groups", "--", c.Path}, args...)
		c.Path = "setpriv"
	}
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

// removeLeftovers stops the servers of test processes that are no more.
func removeLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), leftoverPrefix+"*"))
	for _, dir := range dirs {
		rest := strings.TrimPrefix(filepath.Base(dir), leftoverPrefix)
		pid, err := strconv.Atoi(strings.SplitN(rest, "-", 2)[0])
		if err != nil || syscall.Kill(pid, 0) == nil {
			continue
		}
		if bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(bins) > 0 {
			(&Server{Bin: bins[len(bins)-1], Dir: dir}).remove()
		}
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
