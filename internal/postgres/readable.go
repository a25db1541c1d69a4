package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Unreadable looks up what a dump of db needs to read and the role may not: for each reason one entry, with the statement
// that an administrator runs. Empty: all of it can be dumped.
func (s *Server) Unreadable(ctx context.Context, db string) ([]Missing, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	list, err := s.unreadable(ctx, conns[0])
	if err != nil {
		return nil, fmt.Errorf("what can be read in %q: %w", db, err)
	}
	return list, nil
}

func (s *Server) unreadable(ctx context.Context, conn *pgx.Conn) ([]Missing, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid::regclass::text, pg_get_userbyid(c.relowner),
			has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'), c.relrowsecurity AND row_security_active(c.oid)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND `+userSchema+` AND `+notMember("pg_class", "c.oid")+`
		ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	var closed, filtered, owners []string
	var name, owner string
	var readable, active bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &owner, &readable, &active}, func() error {
		switch {
		case !readable:
			closed = append(closed, name)
			if !slices.Contains(owners, owner) {
				owners = append(owners, owner)
			}
		case active:
			filtered = append(filtered, name)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	var missing []Missing
	add := func(right string, roles ...string) error {
		var grants []string
		for _, role := range roles {
			grant, err := s.membership(ctx, conn, role)
			if err != nil {
				return err
			}
			grants = append(grants, grant)
		}
		missing = append(missing, Missing{right, strings.Join(grants, "; ")})
		return nil
	}
	if len(closed) > 0 {
		if s.major >= 14 {
			owners = []string{"pg_read_all_data"}
		}
		if err := add("read "+few(closed), owners...); err != nil {
			return nil, err
		}
	}
	if len(filtered) > 0 {
		missing = append(missing, Missing{"read all rows of " + few(filtered) + ", which row-level security hides", "ALTER ROLE " + ident(conn.Config().User) + " BYPASSRLS"})
	}
	rows, err = conn.Query(ctx, `SELECT DISTINCT pg_get_userbyid(m.lomowner) FROM pg_largeobject_metadata m WHERE NOT pg_has_role(m.lomowner, 'USAGE')
		AND NOT EXISTS (SELECT 1 FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE'))) ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	if owners, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return nil, err
	}
	if len(owners) > 0 {
		err = add("read the large objects of "+few(owners), owners...)
	}
	return missing, err
}

// few names some of a list.
func few(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
