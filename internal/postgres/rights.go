package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Rights are what the role may do that clone and swap of one database need.
type Rights struct {
	User      string    `json:"user"`
	Superuser bool      `json:"superuser"`
	CreateDB  bool      `json:"create_db"`
	Owner     bool      `json:"owner"`   // owns the database or inherits from its owner
	Signal    bool      `json:"signal"`  // may end the sessions of every ordinary role
	ReadAll   bool      `json:"read"`    // may read every table by role; else it depends on the table
	Missing   []Missing `json:"missing"` // empty: clone and swap are allowed
}

// Missing is one privilege that is not there, and the statement with which an administrator gives it.
type Missing struct {
	Right string `json:"right"`
	Grant string `json:"grant"`
}

// Rights looks up what the role may do with db. Probe proves it.
func (s *Server) Rights(ctx context.Context, db string) (Rights, error) {
	conn, err := s.maintenance(ctx)
	if err != nil {
		return Rights{}, err
	}
	defer closeConn(conn)
	var r Rights
	var owner string
	readAll := "false"
	if s.major >= 14 {
		readAll = "pg_has_role('pg_read_all_data', 'USAGE')"
	}
	err = conn.QueryRow(ctx, `
		SELECT current_user, r.rolsuper, r.rolcreatedb OR r.rolsuper, pg_has_role(d.datdba, 'USAGE'), pg_get_userbyid(d.datdba),
			r.rolsuper OR pg_has_role('pg_signal_backend', 'USAGE'), r.rolsuper OR `+readAll+`
		FROM pg_database d, pg_roles r WHERE r.rolname = current_user AND d.datname = $1`, db).
		Scan(&r.User, &r.Superuser, &r.CreateDB, &r.Owner, &owner, &r.Signal, &r.ReadAll)
	if errors.Is(err, pgx.ErrNoRows) {
		return Rights{}, fmt.Errorf("rights in %q: %w", db, ErrNoDatabase)
	}
	if err != nil {
		return Rights{}, fmt.Errorf("rights in %q: %w", db, err)
	}
	if !r.CreateDB {
		r.Missing = append(r.Missing, Missing{"create databases", "ALTER ROLE " + ident(r.User) + " CREATEDB"})
	}
	if !r.Owner {
		r.Missing = append(r.Missing, Missing{"own database " + db + ", as " + owner + " does", "GRANT " + ident(owner) + " TO " + ident(r.User)})
	}
	if !r.Signal {
		r.Missing = append(r.Missing, Missing{"end the sessions of other roles", "GRANT pg_signal_backend TO " + ident(r.User)})
	}
	return r, nil
}

// probeLock is the advisory lock that keeps probes of one server apart ("promote" in ASCII, cut to 56 bits).
const probeLock = 0x70726f6d6f7465

// Probe proves on a throwaway database, made from template0 for the owner of db, that the role can create, close, rename
// and drop one. What a killed predecessor left is removed; probes that run at the same time wait for one another.
func (s *Server) Probe(ctx context.Context, db string) (err error) {
	a, b, c := CopyName(db, "probe", "a"), CopyName(db, "probe", "b"), CopyName(db, "probe", "c")
	conn, err := s.maintenance(ctx, db, a, b, c)
	if err != nil {
		return err
	}
	defer closeConn(conn) // and with it the lock
	if _, err := conn.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_lock(%d)", probeLock)); err != nil {
		return fmt.Errorf("probe: wait for another probe: %w", err)
	}
	var owner string
	err = conn.QueryRow(ctx, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1", db).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("probe: database %q: %w", db, ErrNoDatabase)
	}
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	for _, left := range []string{a, b, c} {
		if err := s.drop(ctx, conn, left); err != nil {
			return fmt.Errorf("probe: what an earlier probe left: %w", err)
		}
	}
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		for _, made := range []string{a, b, c} {
			if conn.IsClosed() {
				return // the next probe removes them
			}
			err = errors.Join(err, s.drop(clean, conn, made))
		}
	}()
	if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s WITH TEMPLATE template0 OWNER %s ALLOW_CONNECTIONS false", ident(a), ident(owner))); err != nil {
		return probeError("create a database", err)
	}
	if _, err := conn.Exec(ctx, strings.Join([]string{
		"BEGIN", "ALTER DATABASE " + ident(a) + " RENAME TO " + ident(b), "ALTER DATABASE " + ident(b) + " RENAME TO " + ident(c),
		"COMMENT ON DATABASE " + ident(c) + " IS 'probe'", "COMMIT",
	}, "; ")); err != nil {
		_, _ = conn.Exec(ctx, "ROLLBACK")
		return probeError("rename a database", err)
	}
	return nil
}

func probeError(what string, err error) error {
	if code(err) == "42501" {
		return fmt.Errorf("probe: %s: %w: %w", what, ErrRights, err)
	}
	return fmt.Errorf("probe: %s: %w", what, err)
}
