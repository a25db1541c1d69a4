package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Globals is what a server keeps outside its databases and a database's copy therefore does not hold: roles, who is a
// member of whom, settings of roles, and the parameters that ALTER SYSTEM wrote. It holds password hashes.
type Globals struct {
	Roles       map[string]Role     `json:"roles"`
	Memberships []Membership        `json:"memberships"`
	Settings    map[string][]string `json:"settings"` // of a role in every database: name=value
	System      map[string]string   `json:"system"`   // of ALTER SYSTEM
	Passwords   bool                `json:"passwords"`
}

// Role is a role's attributes as CREATE ROLE takes them.
type Role struct {
	Super       bool   `json:"super"`
	Inherit     bool   `json:"inherit"`
	CreateRole  bool   `json:"create_role"`
	CreateDB    bool   `json:"create_db"`
	Login       bool   `json:"login"`
	Replication bool   `json:"replication"`
	BypassRLS   bool   `json:"bypass_rls"`
	Limit       int    `json:"limit"`
	Password    string `json:"password,omitempty"` // its hash
	Until       string `json:"until,omitempty"`
}

// Membership is one role in another. From PostgreSQL 16 on there is one for each grantor, with options of its own; before
// that, and in what an older version of this program recorded, the grantor is empty.
type Membership struct {
	Role    string `json:"role"`
	Member  string `json:"member"`
	Admin   bool   `json:"admin"`
	Inherit bool   `json:"inherit,omitempty"`
	Set     bool   `json:"set,omitempty"`
	Grantor string `json:"grantor,omitempty"`
}

// is reports whether now is the grant that m was, whatever its options.
func (m Membership) is(now Membership) bool {
	return m.Role == now.Role && m.Member == now.Member && (m.Grantor == "" || m.Grantor == now.Grantor)
}

// as reports whether now is the grant that m was, with its options.
func (m Membership) as(now Membership) bool {
	return m.is(now) && m.Admin == now.Admin && (m.Grantor == "" || m.Inherit == now.Inherit && m.Set == now.Set)
}

// ReadGlobals reads what the user may see of it: password hashes and ALTER SYSTEM's parameters are a superuser's.
func (s *Server) ReadGlobals(ctx context.Context) (Globals, error) {
	conn, err := s.maintenance(ctx)
	if err != nil {
		return Globals{}, err
	}
	defer closeConn(conn)
	g, err := readGlobals(ctx, conn)
	if err != nil {
		return g, fmt.Errorf("read roles: %w", err)
	}
	return g, nil
}

func readGlobals(ctx context.Context, conn *pgx.Conn) (Globals, error) {
	g := Globals{Roles: map[string]Role{}, Settings: map[string][]string{}, System: map[string]string{}}
	if err := conn.QueryRow(ctx, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user").Scan(&g.Passwords); err != nil {
		return g, err
	}
	from, password := "pg_catalog.pg_roles", "''"
	if g.Passwords {
		from, password = "pg_catalog.pg_authid", "coalesce(rolpassword, '')"
	}
	var name string
	var r Role
	rows, err := conn.Query(ctx, `SELECT rolname::text, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
		`+password+`, coalesce(nullif(rolvaliduntil::text, 'infinity'), '') FROM `+from+` WHERE rolname !~ '^pg_'`)
	if err != nil {
		return g, err
	}
	if _, err := pgx.ForEachRow(rows, []any{&name, &r.Super, &r.Inherit, &r.CreateRole, &r.CreateDB, &r.Login, &r.Replication, &r.BypassRLS, &r.Limit, &r.Password, &r.Until}, func() error {
		g.Roles[name] = r
		return nil
	}); err != nil {
		return g, err
	}
	if g.Memberships, err = readMemberships(ctx, conn); err != nil {
		return g, err
	}
	var settings []string
	if rows, err = conn.Query(ctx, `SELECT r.rolname::text, c.setconfig FROM pg_catalog.pg_db_role_setting c JOIN pg_catalog.pg_roles r ON r.oid = c.setrole WHERE c.setdatabase = 0`); err != nil {
		return g, err
	}
	if _, err := pgx.ForEachRow(rows, []any{&name, &settings}, func() error {
		slices.Sort(settings)
		g.Settings[name] = slices.Clone(settings)
		return nil
	}); err != nil || !g.Passwords {
		return g, err
	}
	var value string
	if rows, err = conn.Query(ctx, `SELECT name, setting FROM pg_catalog.pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' AND name IS NOT NULL ORDER BY seqno`); err != nil {
		return g, err
	}
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		g.System[name] = value
		return nil
	})
	return g, err
}

func readMemberships(ctx context.Context, conn *pgx.Conn) ([]Membership, error) {
	columns, from := "bool_or(m.admin_option), false, false, ''", "GROUP BY 1, 2 ORDER BY 1, 2"
	if majorOf(conn) >= 16 {
		columns, from = "m.admin_option, m.inherit_option, m.set_option, g.rolname::text", "JOIN pg_catalog.pg_roles g ON g.oid = m.grantor ORDER BY 1, 2, 6"
	}
	rows, err := conn.Query(ctx, `SELECT r.rolname::text, u.rolname::text, `+columns+` FROM pg_catalog.pg_auth_members m
		JOIN pg_catalog.pg_roles r ON r.oid = m.roleid JOIN pg_catalog.pg_roles u ON u.oid = m.member `+from)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Membership])
}

// Differences says in words how now differs from g, passwords included but not shown.
func (g Globals) Differences(now Globals) []string {
	var out []string
	for _, name := range sortedNames(g.Roles, now.Roles) {
		was, before := g.Roles[name]
		is, after := now.Roles[name]
		switch {
		case !after:
			out = append(out, "role "+name+" is gone")
		case !before:
			out = append(out, "role "+name+" was not there")
		case was.Password != is.Password:
			out = append(out, "role "+name+" has another password")
		case was != is:
			out = append(out, "role "+name+" has other attributes")
		}
		if !slices.Equal(g.Settings[name], now.Settings[name]) {
			out = append(out, "role "+name+" has other settings")
		}
	}
	for _, m := range g.Memberships {
		if !slices.ContainsFunc(now.Memberships, m.as) {
			out = append(out, m.Member+" is no longer a member of "+m.Role+" in the same way")
		}
	}
	for _, m := range now.Memberships {
		if !slices.ContainsFunc(g.Memberships, func(was Membership) bool { return was.is(m) }) {
			out = append(out, m.Member+" was no member of "+m.Role+m.granted())
		}
	}
	for _, name := range sortedNames(g.System, now.System) {
		if was, is := g.System[name], now.System[name]; was != is {
			out = append(out, fmt.Sprintf("ALTER SYSTEM: %s is %q, was %q", name, is, was))
		}
	}
	return out
}

func sortedNames[V any](a, b map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{a, b} {
			for name := range maps.Keys(m) {
				if !yield(name) {
					return
				}
			}
		}
	}))
}

// RestoreGlobals makes the server's roles and parameters what they were. A role that was not there is dropped; what it owns in
// one of the databases, which are about to be put aside, goes to the user of this program first. It goes on after an error.
func (s *Server) RestoreGlobals(ctx context.Context, was Globals, databases []string) error {
	conn, err := s.maintenance(ctx, databases...)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	now, err := readGlobals(ctx, conn)
	if err != nil {
		return fmt.Errorf("read roles: %w", err)
	}
	var errs []error
	run := func(what, sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was.Roles)) {
		is, there := now.Roles[name]
		if !there {
			run("create role "+name, "CREATE ROLE "+ident(name))
		}
		if !there || is != was.Roles[name] {
			run("alter role "+name, "ALTER ROLE "+ident(name)+attributes(was.Roles[name], was.Passwords && (!there || is.Password != was.Roles[name].Password), is.Until != was.Roles[name].Until))
		}
	}
	for _, m := range now.Memberships { // before a role is dropped that granted one
		if !slices.ContainsFunc(was.Memberships, func(o Membership) bool { return o.is(m) }) {
			run("revoke "+m.Role+" from "+m.Member, m.revoke())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.Roles)) {
		if _, there := was.Roles[name]; !there {
			errs = append(errs, s.dropRole(ctx, conn, name, databases))
		}
	}
	errs = append(errs, restoreMemberships(ctx, conn, was.Memberships))
	for _, name := range slices.Sorted(maps.Keys(was.Roles)) {
		if _, there := now.Roles[name]; there && slices.Equal(was.Settings[name], now.Settings[name]) {
			continue
		}
		run("settings of role "+name, "ALTER ROLE "+ident(name)+" RESET ALL")
		for _, setting := range was.Settings[name] {
			key, value, _ := strings.Cut(setting, "=")
			run("setting of role "+name, "ALTER ROLE "+ident(name)+" SET "+ident(key)+" TO "+settingValue(key, value))
		}
	}
	errs = append(errs, restoreSystem(ctx, conn, was, now))
	return errors.Join(errs...)
}

func restoreSystem(ctx context.Context, conn *pgx.Conn, was, now Globals) error {
	if !was.Passwords || maps.Equal(was.System, now.System) {
		return nil
	}
	var errs []error
	for _, name := range sortedNames(was.System, now.System) {
		value, set := was.System[name]
		if is, now := now.System[name]; set == now && is == value {
			continue
		}
		sql := "ALTER SYSTEM RESET " + ident(name)
		if set {
			sql = "ALTER SYSTEM SET " + ident(name) + " TO " + settingValue(name, value)
		}
		if _, err := conn.Exec(ctx, sql); err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", name, err))
		}
	}
	_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_reload_conf()")
	return errors.Join(append(errs, err)...)
}

// LetIn are the statements by which an administrator lets role in again as it was recorded. Where its password was not, the
// server makes the hash of password, and logs none of it.
func (g Globals) LetIn(role, password string) string {
	was, known := g.Roles[role]
	if !known {
		was = Role{Login: true}
	}
	if !g.Passwords || !known {
		was.Password = password
	}
	sql := "SET log_statement = none; SET log_min_duration_statement = -1; SET log_min_error_statement = panic; ALTER ROLE " + ident(role)
	if known {
		return sql + attributes(was, true, true) + ";\n"
	}
	return sql + " LOGIN PASSWORD " + literal(was.Password) + " VALID UNTIL 'infinity';\n"
}

// dropRole drops a role that the failed release made, with what it owns and was granted in the databases.
func (s *Server) dropRole(ctx context.Context, conn *pgx.Conn, name string, databases []string) error {
	for _, db := range databases {
		conns, leave, err := s.enter(ctx, db, 1)
		if errors.Is(err, ErrNoDatabase) {
			continue
		}
		if err == nil {
			_, err = conns[0].Exec(ctx, "REASSIGN OWNED BY "+ident(name)+" TO CURRENT_USER; DROP OWNED BY "+ident(name))
		}
		leave()
		if err != nil {
			return fmt.Errorf("role %s in database %q: %w", name, db, err)
		}
	}
	if _, err := conn.Exec(ctx, "DROP ROLE "+ident(name)); err != nil {
		return fmt.Errorf("drop role %s: %w", name, err)
	}
	return nil
}

// restoreMemberships grants what is missing or has other options. A grantor may need what is granted after it: it goes
// over them again for as long as one more succeeds.
func restoreMemberships(ctx context.Context, conn *pgx.Conn, was []Membership) error {
	for before := len(was) + 1; ; {
		now, err := readMemberships(ctx, conn)
		if err != nil {
			return err
		}
		var errs []error
		for _, m := range was {
			if slices.ContainsFunc(now, m.as) {
				continue
			}
			if _, err := conn.Exec(ctx, m.statement()); err != nil {
				errs = append(errs, fmt.Errorf("grant %s to %s: %w", m.Role, m.Member, err))
			}
		}
		if len(errs) == 0 || len(errs) >= before {
			return errors.Join(errs...)
		}
		before = len(errs)
	}
}

// statement makes m what it was, with options that it may have got since taken back.
func (m Membership) statement() string {
	grant := "GRANT " + ident(m.Role) + " TO " + ident(m.Member)
	switch {
	case m.Grantor != "":
		return fmt.Sprintf("%s WITH ADMIN %t, INHERIT %t, SET %t%s", grant, m.Admin, m.Inherit, m.Set, m.grantedBy())
	case m.Admin:
		return grant + " WITH ADMIN OPTION"
	default:
		return "REVOKE " + ident(m.Role) + " FROM " + ident(m.Member) + "; " + grant
	}
}

func (m Membership) revoke() string {
	sql := "REVOKE " + ident(m.Role) + " FROM " + ident(m.Member) + m.grantedBy()
	if m.Grantor != "" {
		sql += " CASCADE" // what was granted by it and has to be there is granted again
	}
	return sql
}

func (m Membership) grantedBy() string {
	if m.Grantor == "" {
		return ""
	}
	return " GRANTED BY " + ident(m.Grantor)
}

func (m Membership) granted() string {
	if m.Grantor == "" {
		return ""
	}
	return " by grant of " + m.Grantor
}

func attributes(r Role, password, until bool) string {
	word := func(on bool, name string) string {
		if on {
			return " " + name
		}
		return " NO" + name
	}
	sql := word(r.Super, "SUPERUSER") + word(r.Inherit, "INHERIT") + word(r.CreateRole, "CREATEROLE") + word(r.CreateDB, "CREATEDB") + word(r.Login, "LOGIN") +
		word(r.Replication, "REPLICATION") + word(r.BypassRLS, "BYPASSRLS") + fmt.Sprintf(" CONNECTION LIMIT %d", r.Limit)
	switch {
	case !password:
	case r.Password == "":
		sql += " PASSWORD NULL"
	default:
		sql += " PASSWORD " + literal(r.Password)
	}
	switch {
	case !until:
	case r.Until == "":
		sql += " VALID UNTIL 'infinity'"
	default:
		sql += " VALID UNTIL " + literal(r.Until)
	}
	return sql
}
