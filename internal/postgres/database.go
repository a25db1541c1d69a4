package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Database is one database of a server.
type Database struct {
	Name             string   `json:"name"`
	OID              uint32   `json:"oid"`
	Owner            string   `json:"owner"`
	Size             int64    `json:"size"` // bytes; -1 when the role may not see it
	Encoding         string   `json:"encoding"`
	Collate          string   `json:"collate"`
	CType            string   `json:"ctype"`
	AllowConnections bool     `json:"allow_connections"`
	IsTemplate       bool     `json:"is_template,omitempty"`
	Sessions         int      `json:"sessions"`
	Settings         []string `json:"settings,omitempty"` // ALTER DATABASE SET, as name=value
	Copy             *Copy    `json:"copy,omitempty"`     // set when promote made it
}

// Databases lists all databases by name.
func (s *Server) Databases(ctx context.Context) ([]Database, error) {
	conn, err := s.maintenance(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	dbs, err := databases(ctx, conn)
	if code(err) == "3D000" { // one was dropped while its size was read
		dbs, err = databases(ctx, conn)
	}
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	return dbs, nil
}

func databases(ctx context.Context, conn *pgx.Conn) ([]Database, error) {
	rows, err := conn.Query(ctx, `
		SELECT d.datname, d.oid, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datallowconn, d.datistemplate,
			CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE') THEN pg_database_size(d.oid) ELSE -1 END,
			(SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.usesysid IS NOT NULL AND a.pid <> pg_backend_pid()),
			coalesce((SELECT r.setconfig FROM pg_db_role_setting r WHERE r.setdatabase = d.oid AND r.setrole = 0), '{}'),
			coalesce(shobj_description(d.oid, 'pg_database'), '')
		FROM pg_database d ORDER BY d.datname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Database, error) {
		var d Database
		var comment string
		err := row.Scan(&d.Name, &d.OID, &d.Owner, &d.Encoding, &d.Collate, &d.CType, &d.AllowConnections, &d.IsTemplate,
			&d.Size, &d.Sessions, &d.Settings, &comment)
		d.Copy = copyOf(d.Name, comment)
		return d, err
	})
}

// state is what the mutating operations look at first.
type state struct {
	exists bool
	oid    uint32
	open   bool
	copy   *Copy
	note   string // the comment
}

func databaseState(ctx context.Context, conn *pgx.Conn, db string) (state, error) {
	st := state{exists: true}
	err := conn.QueryRow(ctx, `SELECT oid, datallowconn, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1`, db).
		Scan(&st.oid, &st.open, &st.note)
	if errors.Is(err, pgx.ErrNoRows) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read database %q: %w", db, err)
	}
	st.copy = copyOf(db, st.note)
	return st, nil
}

// Exists reports whether db exists.
func (s *Server) Exists(ctx context.Context, db string) (bool, error) {
	conn, err := s.maintenance(ctx)
	if err != nil {
		return false, err
	}
	defer closeConn(conn)
	st, err := databaseState(ctx, conn, db)
	return st.exists, err
}

// Drop removes a copy and ends the sessions in it; one that is gone already is no error. A database whose name CopyName
// did not make is refused with ErrNotCopy.
func (s *Server) Drop(ctx context.Context, db string) error {
	if !IsCopy(db) {
		return fmt.Errorf("drop database %q: %w", db, ErrNotCopy)
	}
	conn, err := s.maintenance(ctx, db)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	return s.drop(ctx, conn, db)
}

func (s *Server) drop(ctx context.Context, conn *pgx.Conn, db string) error {
	st, err := databaseState(ctx, conn, db)
	if err != nil || !st.exists {
		return err
	}
	if st.open {
		if err := allowConnections(ctx, conn, db, false); err != nil && code(err) != "3D000" && code(err) != "55000" {
			return fmt.Errorf("drop database %q: %w", db, err)
		}
	}
	force := ""
	if s.major >= 13 {
		force = " WITH (FORCE)"
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := terminate(ctx, conn, st.oid, nil); err != nil {
			return fmt.Errorf("drop database %q: %w", db, err)
		}
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(db)+force)
		if err == nil {
			return nil
		}
		if code(err) != "55006" || time.Now().After(deadline) {
			return fmt.Errorf("drop database %q: %w", db, err)
		}
	}
}

// allowConnections is ALTER DATABASE … ALLOW_CONNECTIONS. It holds for superusers too.
func allowConnections(ctx context.Context, conn *pgx.Conn, db string, allow bool) error {
	_, err := conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s WITH ALLOW_CONNECTIONS %t", ident(db), allow))
	if err != nil {
		return fmt.Errorf("allow_connections %t: %w", allow, err)
	}
	return nil
}
