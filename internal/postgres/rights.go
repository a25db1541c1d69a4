package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Sessions that promote has open at a time: in one database, and in all.
const (
	sessionsInOne = 3
	sessionsInAll = 4
)

// Rights are what the role may do that clone and swap of one database need.
type Rights struct {
	User      string    `json:"user"`
	Superuser bool      `json:"superuser"`
	CreateDB  bool      `json:"create_db"`
	Owner     bool      `json:"owner"`   // owns the database, or inherits from its owner and may give away to it
	Signal    bool      `json:"signal"`  // may end the sessions of every ordinary role that may connect to the database
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
	r, err := s.rights(ctx, conn, db)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNoDatabase
	}
	if err != nil {
		return Rights{}, fmt.Errorf("rights in %q: %w", db, err)
	}
	return r, nil
}

func (s *Server) rights(ctx context.Context, conn *pgx.Conn, db string) (Rights, error) {
	var r Rights
	var owner string
	var ofRole, ofDatabase int
	readAll, give := "false", ""
	if s.major >= 14 {
		readAll = "pg_has_role('pg_read_all_data', 'USAGE')"
	}
	if s.major >= 16 {
		give = " AND pg_has_role(d.datdba, 'SET')"
	}
	err := conn.QueryRow(ctx, `
		SELECT current_user, r.rolsuper, r.rolcreatedb OR r.rolsuper, pg_has_role(d.datdba, 'USAGE')`+give+`, pg_get_userbyid(d.datdba),
			r.rolsuper OR pg_has_role('pg_signal_backend', 'USAGE') OR NOT EXISTS (SELECT 1 FROM pg_roles o WHERE o.rolcanlogin AND NOT o.rolsuper
				AND has_database_privilege(o.oid, d.oid, 'CONNECT') AND NOT pg_has_role(o.oid, 'USAGE')),
			r.rolsuper OR `+readAll+`, CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END, CASE WHEN r.rolsuper THEN -1 ELSE d.datconnlimit END
		FROM pg_database d, pg_roles r WHERE r.rolname = current_user AND d.datname = $1`, db).
		Scan(&r.User, &r.Superuser, &r.CreateDB, &r.Owner, &owner, &r.Signal, &r.ReadAll, &ofRole, &ofDatabase)
	if err != nil {
		return r, err
	}
	lack := func(right, grant string) { r.Missing = append(r.Missing, Missing{right, grant}) }
	if !r.CreateDB {
		lack("create databases", "ALTER ROLE "+ident(r.User)+" CREATEDB")
	}
	if !r.Owner {
		grant, err := s.membership(ctx, conn, owner)
		if err != nil {
			return r, err
		}
		lack("own database "+db+", as "+owner+" does", grant)
	}
	if !r.Signal {
		grant, err := s.membership(ctx, conn, "pg_signal_backend")
		if err != nil {
			return r, err
		}
		lack("end the sessions of other roles", grant)
	}
	if ofRole >= 0 && ofRole < sessionsInAll {
		lack(fmt.Sprintf("have %d sessions at a time (its limit is %d)", sessionsInAll, ofRole), fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", ident(r.User), sessionsInAll))
	}
	if ofDatabase >= 0 && ofDatabase < sessionsInOne {
		lack(fmt.Sprintf("have %d sessions in database %s (its limit is %d)", sessionsInOne, db, ofDatabase), fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", ident(db), sessionsInOne))
	}
	return r, nil
}

// membership is the statement after which the role of conn has the rights of role.
func (s *Server) membership(ctx context.Context, conn *pgx.Conn, role string) (string, error) {
	var user string
	var inherits, member bool
	err := conn.QueryRow(ctx, "SELECT current_user, r.rolinherit, pg_has_role($1::name, 'MEMBER') FROM pg_roles r WHERE r.rolname = current_user", role).Scan(&user, &inherits, &member)
	if err != nil {
		return "", err
	}
	grant := "GRANT " + ident(role) + " TO " + ident(user)
	switch {
	case inherits && !member:
		return grant, nil
	case s.major >= 16: // each membership says by itself what it is good for
		return grant + " WITH INHERIT TRUE, SET TRUE", nil
	case member:
		return "ALTER ROLE " + ident(user) + " INHERIT", nil
	}
	return grant + "; ALTER ROLE " + ident(user) + " INHERIT", nil
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
	props, err := readProperties(ctx, conn, c)
	if err != nil {
		return probeError("read a database", err)
	}
	if _, err := s.createFrom(ctx, conn, c, a, props); err != nil {
		return probeError("clone a database", err)
	}
	return nil
}

func probeError(what string, err error) error {
	if code(err) == "42501" {
		return fmt.Errorf("probe: %s: %w: %w", what, ErrRights, err)
	}
	return fmt.Errorf("probe: %s: %w", what, err)
}
