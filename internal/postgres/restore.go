package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

// ErrMissingRoles are roles of a dump that the server does not have.
var ErrMissingRoles = errors.New("roles are missing")

// RestoreOptions say what is restored.
type RestoreOptions struct {
	Info DumpInfo // of the dump: owner, encoding, locale, settings and roles come from it
	ID   string   // the promotion; written into the copy's mark
	Jobs int      // sessions; with more than one the decompressed dump is written to the tools' directory first
	// Progress is called with the bytes given to pg_restore, or written for it, at most once a second.
	Progress func(raw int64)
}

// RestoreResult is a complete restore.
type RestoreResult struct {
	Duration time.Duration `json:"duration"`
	Warnings []string      `json:"warnings"`
}

// MissingRoles returns the roles that the dump needs and the server lacks.
func (s *Server) MissingRoles(ctx context.Context, info DumpInfo) ([]string, error) {
	conn, err := s.maintenance(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	return missingRoles(ctx, conn, info)
}

func missingRoles(ctx context.Context, conn *pgx.Conn, info DumpInfo) ([]string, error) {
	needed := map[string]bool{}
	for _, r := range info.Roles {
		needed[r] = true
	}
	for _, g := range info.Properties.Grants {
		needed[g.Role] = true
	}
	for _, c := range info.Properties.Settings {
		needed[c.Role] = true
	}
	delete(needed, "")
	names := make([]string, 0, len(needed))
	for n := range needed {
		names = append(names, n)
	}
	rows, err := conn.Query(ctx, `SELECT n FROM unnest($1::text[]) n WHERE NOT EXISTS (SELECT 1 FROM pg_roles r WHERE r.rolname = n) ORDER BY n`, names)
	if err != nil {
		return nil, fmt.Errorf("look for roles: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Restore makes the new database into from the dump in r. An older or partial one of that name goes first. When it is
// complete it is analyzed, marked, and closed to connections, as a clone is: compare its fingerprints, then Swap it in.
// Into must be a name of CopyName.
func (s *Server) Restore(ctx context.Context, c Client, r io.Reader, into string, o RestoreOptions) (RestoreResult, error) {
	started := time.Now()
	warnings, err := s.restore(ctx, c, r, into, o)
	if err != nil {
		return RestoreResult{}, fmt.Errorf("restore into %q: %w", into, err)
	}
	return RestoreResult{Duration: time.Since(started), Warnings: warnings}, nil
}

func (s *Server) restore(ctx context.Context, c Client, r io.Reader, into string, o RestoreOptions) (warnings []string, err error) {
	if !IsCopy(into) {
		return nil, ErrNotCopy
	}
	conn, err := s.maintenance(ctx, into)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	missing, err := missingRoles(ctx, conn, o.Info)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		create := make([]string, len(missing))
		for i, role := range missing {
			create[i] = "CREATE ROLE " + ident(role)
		}
		return nil, fmt.Errorf("%w: create them first: %s", ErrMissingRoles, strings.Join(create, "; "))
	}
	if err := s.drop(ctx, conn, into); err != nil {
		return nil, err
	}
	warnings, err = s.createEmpty(ctx, conn, into, o.Info)
	if err != nil {
		return warnings, err
	}
	if err := s.load(ctx, c, r, into, o); err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		return warnings, errors.Join(err, s.Drop(clean, into))
	}
	more, err := o.Info.Properties.apply(ctx, conn, into)
	warnings = append(warnings, more...)
	if err != nil {
		return warnings, err
	}
	if err := s.analyze(ctx, into); err != nil {
		return warnings, err
	}
	if o.Info.Properties.Encoding != "" { // only now: the limit holds for pg_restore too
		if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s WITH CONNECTION LIMIT %d", ident(into), o.Info.Properties.ConnectionLimit)); err != nil {
			return warnings, err
		}
	}
	mark := Copy{ID: o.ID, Of: o.Info.Database, Comment: o.Info.Properties.Comment}
	if mark.ID == "" {
		mark.ID = "unnamed"
	}
	if err := allowConnections(ctx, conn, into, false); err != nil {
		return warnings, err
	}
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+ident(into)+" IS "+literal(mark.mark())); err != nil {
		return warnings, fmt.Errorf("mark the copy: %w", err)
	}
	return warnings, nil
}

func (s *Server) createEmpty(ctx context.Context, conn *pgx.Conn, into string, info DumpInfo) (warnings []string, err error) {
	p := info.Properties
	create := "CREATE DATABASE " + ident(into) + " WITH TEMPLATE template0"
	option := func(name, value string) {
		if value != "" {
			create += " " + name + " " + value
		}
	}
	text := func(name, value string) {
		if value != "" {
			option(name, literal(value))
		}
	}
	if p.Owner != "" {
		option("OWNER", ident(p.Owner))
	}
	text("ENCODING", p.Encoding)
	text("LC_COLLATE", p.Collate)
	text("LC_CTYPE", p.CType)
	switch {
	case s.major < 15:
	case p.Provider == "i":
		option("LOCALE_PROVIDER", "icu")
		text("ICU_LOCALE", p.Locale)
		text("ICU_RULES", p.ICURules)
	case p.Provider == "b":
		option("LOCALE_PROVIDER", "builtin")
		text("BUILTIN_LOCALE", p.Locale)
	case p.Provider == "c":
		option("LOCALE_PROVIDER", "libc")
	}
	if p.Tablespace != "" && p.Tablespace != "pg_default" {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_tablespace WHERE spcname = $1)", p.Tablespace).Scan(&there); err != nil {
			return nil, err
		}
		if there {
			option("TABLESPACE", ident(p.Tablespace))
		} else {
			warnings = append(warnings, fmt.Sprintf("tablespace %q is not there: restored into the default one", p.Tablespace))
		}
	}
	if _, err := conn.Exec(ctx, create); err != nil {
		return warnings, fmt.Errorf("create the database: %w", err)
	}
	if !info.NoPublic {
		return warnings, nil
	}
	in, err := s.connect(ctx, into)
	if err != nil {
		return warnings, err
	}
	defer closeConn(in)
	_, err = in.Exec(ctx, "DROP SCHEMA IF EXISTS public")
	return warnings, err
}

// load runs pg_restore over the decompressed dump.
func (s *Server) load(ctx context.Context, c Client, r io.Reader, into string, o RestoreOptions) error {
	work, err := newWorkspace(c.Tools.Dir())
	if err != nil {
		return err
	}
	defer work.remove()
	env, err := work.env(c.Conn)
	if err != nil {
		return err
	}
	env[len(env)-1] += " -c synchronous_commit=off" // the mark of completeness is written synchronously, after all of it
	dec, err := zstd.NewReader(r)
	if err != nil {
		return err
	}
	defer dec.Close()
	raw := &progressReader{r: dec, report: func(n int64) {
		if o.Progress != nil {
			o.Progress(n)
		}
	}}
	path := work.path("archive")
	run := func(ctx context.Context) error {
		args := []string{"-Fc", "--exit-on-error", "--no-password", dbname(into)}
		if o.Jobs > 1 {
			args = append(args, "--jobs="+strconv.Itoa(o.Jobs))
		}
		return c.Tools.Run(ctx, Tool{Program: "pg_restore", Env: env, Args: append(args, path)})
	}
	if o.Jobs > 1 {
		if err := writeFile(path, raw); err != nil {
			return fmt.Errorf("decompress: %w", err)
		}
		return run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := writeFIFO(ctx, path, run)
	if err != nil {
		return err
	}
	_, copyErr := io.CopyBuffer(w, onlyReader{raw}, make([]byte, pipeBytes))
	if copyErr != nil {
		cancel()
		return errors.Join(fmt.Errorf("%w: decompress: %w", ErrDamaged, copyErr), ignoreCanceled(w.finish()))
	}
	return w.finish()
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func writeFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{f}, onlyReader{r}, make([]byte, pipeBytes))
	return errors.Join(err, f.Close())
}

// analyze gathers the statistics that pg_restore does not bring.
func (s *Server) analyze(ctx context.Context, db string) error {
	conn, err := s.connect(ctx, db)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	if _, err := conn.Exec(ctx, "ANALYZE"); err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	return nil
}
