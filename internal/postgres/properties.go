package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Properties are what belongs to a database but not to its content: neither a clone nor a dump of the content has them.
type Properties struct {
	Owner           string    `json:"owner"`
	Encoding        string    `json:"encoding"`
	Collate         string    `json:"collate"`
	CType           string    `json:"ctype"`
	Provider        string    `json:"provider"`         // c (libc), i (ICU), b (builtin)
	Locale          string    `json:"locale,omitempty"` // of ICU or builtin
	ICURules        string    `json:"icu_rules,omitempty"`
	Tablespace      string    `json:"tablespace"`
	ConnectionLimit int       `json:"connection_limit"` // -1: none
	Comment         string    `json:"comment,omitempty"`
	Grants          []Grant   `json:"grants"` // nil: the default privileges
	Settings        []Setting `json:"settings,omitempty"`
}

// Grant is one privilege on a database.
type Grant struct {
	Role      string `json:"role"` // empty: PUBLIC
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable,omitempty"`
}

// Setting is one ALTER DATABASE SET, or ALTER ROLE IN DATABASE SET where Role is given.
type Setting struct {
	Role  string `json:"role,omitempty"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

func readProperties(ctx context.Context, conn *pgx.Conn, db string) (Properties, error) {
	provider, locale, rules := "'c'", "''", "''"
	switch major := majorOf(conn); {
	case major >= 17:
		provider, locale, rules = "d.datlocprovider::text", "coalesce(d.datlocale, '')", "coalesce(d.daticurules, '')"
	case major >= 16:
		provider, locale, rules = "d.datlocprovider::text", "coalesce(d.daticulocale, '')", "coalesce(d.daticurules, '')"
	case major >= 15:
		provider, locale = "d.datlocprovider::text", "coalesce(d.daticulocale, '')"
	}
	var p Properties
	var oid uint32
	var hasACL bool
	err := conn.QueryRow(ctx, `
		SELECT d.oid, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, `+provider+`, `+locale+`, `+rules+`,
			t.spcname, d.datconnlimit, coalesce(shobj_description(d.oid, 'pg_database'), ''), d.datacl IS NOT NULL
		FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1`, db).
		Scan(&oid, &p.Owner, &p.Encoding, &p.Collate, &p.CType, &p.Provider, &p.Locale, &p.ICURules, &p.Tablespace, &p.ConnectionLimit, &p.Comment, &hasACL)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, ErrNoDatabase
	}
	if err != nil {
		return p, err
	}
	if c := copyOf(db, p.Comment); c != nil {
		p.Comment = c.Comment
	}
	if hasACL {
		p.Grants = []Grant{}
		rows, err := conn.Query(ctx, `SELECT coalesce(r.rolname, ''), a.privilege_type, bool_or(a.is_grantable)
			FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
			WHERE d.oid = $1 AND (a.grantee = 0 OR r.oid IS NOT NULL) GROUP BY 1, 2 ORDER BY 1, 2`, oid)
		if err != nil {
			return p, err
		}
		if p.Grants, err = pgx.AppendRows(p.Grants, rows, pgx.RowToStructByPos[Grant]); err != nil {
			return p, err
		}
	}
	rows, err := conn.Query(ctx, `SELECT coalesce(r.rolname, ''), split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)
		FROM pg_db_role_setting c CROSS JOIN unnest(c.setconfig) s LEFT JOIN pg_roles r ON r.oid = c.setrole
		WHERE c.setdatabase = $1 AND (c.setrole = 0 OR r.oid IS NOT NULL) ORDER BY 1, 2`, oid)
	if err != nil {
		return p, err
	}
	p.Settings, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Setting])
	return p, err
}

// apply gives db the privileges and settings of p. What the role may not set is returned as warnings.
func (p Properties) apply(ctx context.Context, conn *pgx.Conn, db string) ([]string, error) {
	var statements []string
	if p.Grants != nil {
		statements = append(statements, "REVOKE ALL ON DATABASE "+ident(db)+" FROM PUBLIC", "REVOKE ALL ON DATABASE "+ident(db)+" FROM "+ident(p.Owner))
	}
	for _, g := range p.Grants {
		role := "PUBLIC"
		if g.Role != "" {
			role = ident(g.Role)
		}
		s := fmt.Sprintf("GRANT %s ON DATABASE %s TO %s", g.Privilege, ident(db), role)
		if g.Grantable && g.Role != p.Owner { // the owner's grant options need no saying
			s += " WITH GRANT OPTION"
		}
		statements = append(statements, s)
	}
	for _, c := range p.Settings {
		statements = append(statements, c.statement(db))
	}
	var warnings []string
	for _, s := range statements {
		_, err := conn.Exec(ctx, s)
		switch {
		case code(err) == "42501" || code(err) == "42704": // no right; or a setting of a library that is not there
			warnings = append(warnings, fmt.Sprintf("not carried to the copy: %s: %v", s, err))
		case err != nil:
			return warnings, fmt.Errorf("%s: %w", s, err)
		}
	}
	return warnings, nil
}

// quotedLists are the settings whose stored value is a list of quoted names. Their elements must be given one by one, else
// the whole list becomes one name.
var quotedLists = []string{"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"}

func (c Setting) statement(db string) string {
	target := "DATABASE " + ident(db)
	if c.Role != "" {
		target = "ROLE " + ident(c.Role) + " IN DATABASE " + ident(db)
	}
	return fmt.Sprintf("ALTER %s SET %s TO %s", target, ident(c.Name), settingValue(c.Name, c.Value))
}

// settingValue is a stored value as a SET statement takes it.
func settingValue(name, value string) string {
	if !slices.Contains(quotedLists, strings.ToLower(name)) {
		return literal(value)
	}
	var parts []string
	for _, name := range splitNames(value) {
		parts = append(parts, literal(name))
	}
	if len(parts) == 0 {
		return "''"
	}
	return strings.Join(parts, ", ")
}

// splitNames takes a stored list of names apart, such as "$user", public.
func splitNames(s string) []string {
	var names []string
	var b strings.Builder
	quoted, any := false, false
	flush := func() {
		if any {
			names = append(names, b.String())
		}
		b.Reset()
		any = false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted, any = !quoted, true
		case c == ',' && !quoted:
			flush()
		case (c == ' ' || c == '\t' || c == '\n') && !quoted:
		default:
			b.WriteByte(c)
			any = true
		}
	}
	flush()
	return names
}
