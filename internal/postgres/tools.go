package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/process"
	"golang.org/x/sys/unix"
)

// Tools runs client programs of the server's own version. Paths below Dir are the same for them as for this process, and
// they may open what this process creates there with mode 0600.
type Tools interface {
	// Run runs a program to its end. A failure carries the end of its standard error.
	Run(ctx context.Context, t Tool) error
	// Dir is an existing directory.
	Dir() string
}

// Tool is one run of a client program, such as pg_dump. Env holds KEY=value entries and never a password.
type Tool struct {
	Program string
	Args    []string
	Env     []string
}

// LocalTools are programs on this machine.
type LocalTools struct {
	Bin  string // their directory
	Work string // for files and pipes; on a disk with room for an uncompressed dump where a restore is parallel
}

// Run runs a program of Bin.
func (l LocalTools) Run(ctx context.Context, t Tool) error {
	_, err := process.Output(ctx, process.Command{Path: filepath.Join(l.Bin, t.Program), Args: t.Args, Dir: l.Work, Env: t.Env})
	var pe *process.Error
	if errors.As(err, &pe) {
		return &process.Error{Command: t.Program, Code: pe.Code, Tail: pe.Tail, Err: pe.Err}
	}
	return err
}

// Dir is Work.
func (l LocalTools) Dir() string { return l.Work }

const workPrefix = "promote-postgres-"

// workspace is a directory of one operation below Dir, locked for as long as its process lives.
type workspace struct {
	dir  string
	lock *os.File
}

// newWorkspace makes one and removes those whose process is gone.
func newWorkspace(dir string) (*workspace, error) {
	old, _ := filepath.Glob(filepath.Join(dir, workPrefix+"*"))
	for _, path := range old {
		removeUnlocked(path)
	}
	path, err := os.MkdirTemp(dir, workPrefix)
	if err != nil {
		return nil, err
	}
	lock, err := os.Open(path)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		_ = os.RemoveAll(path)
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &workspace{dir: path, lock: lock}, nil
}

func removeUnlocked(path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.RemoveAll(path)
	}
}

func (w *workspace) remove() {
	_ = os.RemoveAll(w.dir)
	_ = w.lock.Close()
}

func (w *workspace) path(name string) string { return filepath.Join(w.dir, name) }

// env lets a client program reach c: everything but the database's name, and the password by a file.
func (w *workspace) env(c Conn) ([]string, error) {
	mode := c.TLSMode
	if mode == "" {
		mode = "prefer"
	}
	pass := w.path("pgpass")
	line := "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(c.Password) + "\n"
	if strings.ContainsAny(c.Password, "\n\r") {
		return nil, errors.New("the password contains a line break")
	}
	if err := os.WriteFile(pass, []byte(line), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"PGHOST=" + c.Host, "PGPORT=" + strconv.Itoa(c.port()), "PGUSER=" + c.User, "PGPASSFILE=" + pass, "PGSSLMODE=" + mode,
		"PGAPPNAME=" + application, "PGCONNECT_TIMEOUT=10", "PGCLIENTENCODING=UTF8", "LC_ALL=C",
		"PGOPTIONS=-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0",
	}, nil
}

// dbname is the argument that names a database. A plain name would be taken for a connection string if it looked like one.
func dbname(db string) string { return "--dbname=dbname=" + quoteParam(db) }
