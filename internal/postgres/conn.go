// Package postgres does all that a promotion does with a PostgreSQL server: catalog reads, fingerprints, the instant copy,
// the swap of two databases, and dumps made by the server's own programs. Every operation can be repeated after its
// predecessor was killed at any moment, and no connection outlives the call that needed it.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// application is the application_name of every session of this package.
const application = "promote"

const connectTimeout = 5 * time.Second

var (
	// ErrNoDatabase is a database that does not exist.
	ErrNoDatabase = errors.New("database does not exist")
	// ErrBusy is a database with sessions that do not go away.
	ErrBusy = errors.New("database has other sessions")
	// ErrPrepared is a database with prepared transactions, which survive the end of every session.
	ErrPrepared = errors.New("database has prepared transactions")
	// ErrNotCopy is the refusal to drop or overwrite a database whose name CopyName did not make.
	ErrNotCopy = errors.New("not a copy made by promote")
	// ErrPassword is a password that the server does not take.
	ErrPassword = errors.New("wrong password")
	// ErrRights is a role that lacks a privilege.
	ErrRights = errors.New("privilege missing")
)

// Conn says how a server is reached. It never prints its password.
type Conn struct {
	Host     string // name, address, or the directory of a unix socket
	Port     int    // 5432 when 0
	User     string
	Password string
	TLSMode  string // disable, allow, prefer (default), require, verify-ca, verify-full

	// Maintenance is a database to work from. Without it: postgres, template1, then the one named like the user.
	Maintenance string
	// Dial replaces the net package's dialer; host names are then resolved by it. Client programs do not use it.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (c Conn) port() int {
	if c.Port == 0 {
		return 5432
	}
	return c.Port
}

// String is user@host:port.
func (c Conn) String() string {
	return c.User + "@" + net.JoinHostPort(c.Host, strconv.Itoa(c.port()))
}

// GoString is String: a password must not appear in a debug print.
func (c Conn) GoString() string { return c.String() }

func (c Conn) config(db string) (*pgx.ConnConfig, error) {
	mode := c.TLSMode
	if mode == "" {
		mode = "prefer"
	}
	// Every setting that the environment could otherwise supply is named here.
	cfg, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=%s passfile=/dev/null target_session_attrs=any",
		quoteParam(c.Host), c.port(), quoteParam(c.User), quoteParam(db), quoteParam(mode)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: bad connection settings: %w", c, err)
	}
	cfg.Password = c.Password
	cfg.ConnectTimeout = connectTimeout
	cfg.RuntimeParams = map[string]string{"application_name": application, "client_encoding": "UTF8"}
	if c.Dial != nil {
		cfg.DialFunc = c.Dial
		cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	return cfg, nil
}

// quoteParam quotes a value of a keyword=value connection string.
func quoteParam(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// Server is a PostgreSQL server that answered once. It holds no connection.
type Server struct {
	conn  Conn
	major int
	door  sync.Mutex // held while a closed database is open for this process
}

// Open connects once to prove that the server is there and takes the user.
func Open(ctx context.Context, c Conn) (*Server, error) {
	s := &Server{conn: c}
	conn, err := s.maintenance(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	number, err := versionNumber(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("read the server's version: %w", err)
	}
	s.major = number / 10000
	return s, nil
}

// Major is the server's major version, such as 15.
func (s *Server) Major() int { return s.major }

// connect opens a session in db whose results do not depend on settings of the role, the database or the server.
func (s *Server) connect(ctx context.Context, db string) (*pgx.Conn, error) {
	cfg, err := s.conn.config(db)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, &ConnectError{Database: db, Conn: s.conn.String(), Err: err}
	}
	if _, err := conn.Exec(ctx, sessionSettings(conn)); err != nil {
		closeConn(conn)
		return nil, fmt.Errorf("connect to database %q at %s: session settings: %w", db, s.conn, err)
	}
	return conn, nil
}

func sessionSettings(conn *pgx.Conn) string {
	settings := []string{
		"search_path = ''", "statement_timeout = 0", "lock_timeout = 0", "idle_in_transaction_session_timeout = 0",
		"default_transaction_read_only = off", "row_security = off", "standard_conforming_strings = on", "synchronous_commit = on",
		"DateStyle = ISO", "IntervalStyle = postgres", "TimeZone = 'UTC'", "extra_float_digits = 1", "bytea_output = hex", "quote_all_identifiers = off",
	}
	major := majorOf(conn)
	for _, later := range []struct {
		major   int
		setting string
	}{{11, "jit = off"}, {14, "idle_session_timeout = 0"}, {17, "transaction_timeout = 0"}} {
		if major >= later.major {
			settings = append(settings, later.setting)
		}
	}
	return "SET " + strings.Join(settings, "; SET ")
}

func majorOf(conn *pgx.Conn) int {
	v := conn.PgConn().ParameterStatus("server_version")
	end := strings.IndexFunc(v, func(r rune) bool { return r < '0' || r > '9' })
	if end > 0 {
		v = v[:end]
	}
	major, _ := strconv.Atoi(v)
	return major
}

// maintenance opens a session in a database that is none of avoid.
func (s *Server) maintenance(ctx context.Context, avoid ...string) (*pgx.Conn, error) {
	var errs []error
	tried := map[string]bool{"": true}
	for _, db := range []string{s.conn.Maintenance, "postgres", "template1", s.conn.User} {
		if tried[db] || slices.Contains(avoid, db) {
			continue
		}
		tried[db] = true
		conn, err := s.connect(ctx, db)
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
		var pe *pgconn.PgError
		if !errors.As(err, &pe) || pe.Code == "28P01" || ctx.Err() != nil { // not reached, or a wrong password: the same everywhere
			break
		}
	}
	switch refused := errors.Join(errs...); code(refused) {
	case "42501", "28000":
		return nil, fmt.Errorf("%w: a database to work from, besides those that are promoted; as an administrator of the server: GRANT CONNECT ON DATABASE postgres TO %s, and a line in pg_hba.conf that lets it in: %w",
			ErrRights, ident(s.conn.User), refused)
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("connect to %s: no database to work from besides %s", s.conn, strings.Join(avoid, ", "))
	}
	return nil, errors.Join(errs...)
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// ConnectError is a connection that was not made.
type ConnectError struct {
	Database string
	Conn     string // user@host:port
	Err      error
}

func (e *ConnectError) Error() string {
	cause := e.Err
	var pe *pgconn.PgError
	var ce *pgconn.ConnectError
	switch {
	case errors.As(e.Err, &pe):
		cause = fmt.Errorf("%s (SQLSTATE %s)", pe.Message, pe.Code)
	case errors.As(e.Err, &ce) && ce.Unwrap() != nil:
		cause = ce.Unwrap()
	}
	lines := strings.FieldsFunc(cause.Error(), func(r rune) bool { return r == '\n' })
	return fmt.Sprintf("connect to database %q at %s: %s", e.Database, e.Conn, strings.Join(lines, "; "))
}

func (e *ConnectError) Unwrap() error { return e.Err }

// Is makes a refused password ErrPassword.
func (e *ConnectError) Is(target error) bool { return target == ErrPassword && code(e.Err) == "28P01" }

// code is the SQLSTATE in err, or "".
func code(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Code
	}
	return ""
}
