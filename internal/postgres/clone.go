package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// CloneOptions say for whom a clone is made.
type CloneOptions struct {
	ID string // the promotion; written into the clone's mark
	// Progress is called about once a second with the bytes copied, 0 where the role cannot see them, and the bytes to copy.
	Progress func(done, total int64)
}

// CloneResult is a complete clone.
type CloneResult struct {
	Strategy string        `json:"strategy"` // clone (by the kernel, which shares the blocks where the file system has reflinks), file_copy, or plain before PostgreSQL 15
	Duration time.Duration `json:"duration"`
	Bytes    int64         `json:"bytes"`
	Warnings []string      `json:"warnings"`
}

// Clone copies db, which nobody may use meanwhile (Quiesce), to the new database as. An older or partial one of that name
// goes first. The clone has the settings, privileges, owner and tablespace of db, is closed to connections from the moment
// it exists, and is marked when it is complete. As must be a name of CopyName.
func (s *Server) Clone(ctx context.Context, db, as string, o CloneOptions) (CloneResult, error) {
	r, err := s.clone(ctx, db, as, o)
	if err != nil {
		return r, fmt.Errorf("clone %q: %w", db, err)
	}
	return r, nil
}

func (s *Server) clone(ctx context.Context, db, as string, o CloneOptions) (CloneResult, error) {
	var r CloneResult
	if !IsCopy(as) {
		return r, fmt.Errorf("to %q: %w", as, ErrNotCopy)
	}
	conn, err := s.maintenance(ctx, db, as)
	if err != nil {
		return r, err
	}
	defer closeConn(conn)
	if err := endPredecessor(ctx, conn, as); err != nil {
		return r, err
	}
	props, err := readProperties(ctx, conn, db)
	if err != nil {
		return r, err
	}
	if r.Bytes, err = databaseSize(ctx, conn, db); err != nil {
		return r, err
	}
	if err := s.drop(ctx, conn, as); err != nil {
		return r, err
	}
	orphans := orphanDirectories(ctx, conn)
	started := time.Now()
	stop := s.watchCopy(ctx, as, orphans, r.Bytes, o.Progress)
	r.Strategy, err = s.createFrom(ctx, conn, db, as, props)
	stop()
	if err != nil {
		if code(err) == "55006" {
			return r, fmt.Errorf("%w: %w", ErrBusy, err)
		}
		return r, err
	}
	if r.Warnings, err = props.apply(ctx, conn, as); err != nil {
		return r, err
	}
	mark := Copy{ID: o.ID, Of: db, Comment: props.Comment}
	if mark.ID == "" {
		mark.ID = "unnamed"
	}
	if _, err := conn.Exec(ctx, "COMMENT ON DATABASE "+ident(as)+" IS "+literal(mark.mark())); err != nil {
		return r, fmt.Errorf("mark the clone: %w", err)
	}
	r.Duration = time.Since(started)
	for _, dir := range orphanDirectories(ctx, conn) {
		if slices.Contains(orphans, dir) {
			r.Warnings = append(r.Warnings, fmt.Sprintf("directory base/%s belongs to no database: a copy was cut off by a crash of the server; stop the server before you remove it", dir))
		}
	}
	return r, nil
}

// createFrom is CREATE DATABASE with the fastest strategy that the server has.
func (s *Server) createFrom(ctx context.Context, conn *pgx.Conn, db, as string, p Properties) (string, error) {
	create := fmt.Sprintf("CREATE DATABASE %s WITH TEMPLATE %s OWNER %s ALLOW_CONNECTIONS false CONNECTION LIMIT %d", ident(as), ident(db), ident(p.Owner), p.ConnectionLimit)
	if s.major < 15 {
		_, err := conn.Exec(ctx, create)
		return "plain", err
	}
	create += " STRATEGY file_copy"
	if s.major >= 18 {
		// The value is unknown where the platform cannot, the copy fails where the filesystem cannot.
		if _, err := conn.Exec(ctx, "SET file_copy_method = 'clone'"); err == nil {
			_, err := conn.Exec(ctx, create)
			if err == nil || ctx.Err() != nil || code(err) == "55006" || code(err) == "42501" {
				return "clone", err
			}
			if _, err := conn.Exec(ctx, "SET file_copy_method = 'copy'"); err != nil {
				return "file_copy", err
			}
		}
	}
	_, err := conn.Exec(ctx, create)
	return "file_copy", err
}

// endPredecessor ends a session of this program that still creates the database as: its client was killed, and the server
// has not noticed.
func endPredecessor(ctx context.Context, conn *pgx.Conn, as string) error {
	for deadline := time.Now().Add(cleanTimeout); ; {
		var n int
		err := conn.QueryRow(ctx, `SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND application_name = $1 AND usename = current_user AND state = 'active' AND starts_with(query, $2)) t`,
			application, "CREATE DATABASE "+ident(as)+" ").Scan(&n)
		if err != nil {
			return fmt.Errorf("end an earlier copy: %w", err)
		}
		if n == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("an earlier copy to %q does not end", as)
		}
		if err := sleep(ctx, pollSessions); err != nil {
			return err
		}
	}
}

func databaseSize(ctx context.Context, conn *pgx.Conn, db string) (int64, error) {
	var n int64
	err := conn.QueryRow(ctx, "SELECT pg_database_size($1::name)", db).Scan(&n)
	if code(err) == "42501" {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("size of %q: %w", db, err)
	}
	return n, nil
}

// orphanDirectories lists the directories of the default tablespace that no database owns; none where the role may not
// look. A database that is being created is among them.
func orphanDirectories(ctx context.Context, conn *pgx.Conn) []string {
	rows, err := conn.Query(ctx, `SELECT f FROM pg_ls_dir('base') f WHERE f ~ '^[0-9]+$' AND NOT EXISTS (SELECT 1 FROM pg_database d WHERE d.oid::text = f) ORDER BY f`)
	if err != nil {
		return nil
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil
	}
	return list
}

// watchCopy reports the growth of the one directory under base/ that appeared after known was read.
func (s *Server) watchCopy(ctx context.Context, as string, known []string, total int64, progress func(done, total int64)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	progress(0, total)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := s.maintenance(ctx, as)
		if err != nil {
			return // progress is a comfort
		}
		defer closeConn(conn)
		for sleep(ctx, time.Second) == nil {
			var bytes int64
			for _, dir := range orphanDirectories(ctx, conn) {
				if slices.Contains(known, dir) {
					continue
				}
				var n int64
				if conn.QueryRow(ctx, `SELECT coalesce(sum((pg_stat_file('base/' || $1 || '/' || f, true)).size), 0)::bigint FROM pg_ls_dir('base/' || $1, true, false) f`, dir).Scan(&n) == nil {
					bytes += n
				}
			}
			if ctx.Err() == nil {
				progress(min(bytes, total), total)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// String is one line for people.
func (r CloneResult) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s in %s", r.Strategy, r.Duration.Round(time.Millisecond)))
}
