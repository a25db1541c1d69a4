package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// TableDifference is what one table of live has and base has not. Changed counts rows with the same primary key; without
// a key a changed row is one added and one removed.
type TableDifference struct {
	Table   string `json:"table"`
	Added   int64  `json:"added"`
	Changed int64  `json:"changed"`
	Removed int64  `json:"removed"`
	Method  string `json:"method"`
	Note    string `json:"note,omitempty"`
	Missing string `json:"missing,omitempty"` // why it could not be compared; then the counts say nothing
}

// String is one line for people.
func (d TableDifference) String() string {
	if d.Missing != "" {
		return d.Table + ": not compared: " + d.Missing
	}
	text := fmt.Sprintf("%s: %d added, %d changed, %d removed", d.Table, d.Added, d.Changed, d.Removed)
	if d.Note != "" {
		text += " (" + d.Note + ")"
	}
	return text
}

// Difference compares every table of live with base, the clone that a rollback would bring back, and returns those that
// differ or could not be compared, by name. Columns that only one side has are left out of the comparison. Each side is
// read in one snapshot; both may be closed to connections. Sequences and materialized views hold nothing that a user
// wrote, and are not compared.
//
// One pass sums the hashes of the rows in buckets on the server, a second streams, ordered by the hash of the key, the
// rows of the buckets that differ: memory stays flat, and what is equal is read once.
func (s *Server) Difference(ctx context.Context, live, base string) ([]TableDifference, error) {
	d := differ{major: s.major}
	for i, db := range []string{live, base} {
		conns, leave, err := s.enter(ctx, db, 1)
		if err != nil {
			return nil, err
		}
		defer leave()
		if _, err := conns[0].Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
			return nil, fmt.Errorf("compare %q with %q: %w", live, base, err)
		}
		d.conns[i] = conns[0]
	}
	list, err := d.all(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare %q with %q: %w", live, base, err)
	}
	return list, nil
}

type differ struct {
	major int
	conns [2]*pgx.Conn // live, base
}

func (d *differ) all(ctx context.Context) ([]TableDifference, error) {
	var sides [2]map[string]*relation
	for i, conn := range d.conns {
		list, err := readRelations(ctx, conn, "r,p")
		if err != nil {
			return nil, err
		}
		sides[i] = map[string]*relation{}
		for _, r := range list {
			if !r.leaf { // the rows of partitions are those of their root
				sides[i][r.String()] = r
			}
		}
	}
	names := maps.Clone(sides[0])
	maps.Copy(names, sides[1])
	var found []TableDifference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		t, err := d.table(ctx, sides[0][name], sides[1][name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if t.Table = name; t.differs() {
			found = append(found, t)
		}
	}
	t, err := d.largeObjects(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", largeObjects, err)
	}
	if t.differs() {
		found = append(found, t)
	}
	return found, nil
}

func (d TableDifference) differs() bool {
	return d.Added+d.Changed+d.Removed > 0 || d.Missing != "" || d.Note != ""
}

func (d *differ) table(ctx context.Context, live, base *relation) (TableDifference, error) {
	for _, r := range []*relation{live, base} {
		if r != nil && !r.readable {
			return TableDifference{Missing: "no SELECT privilege"}, nil
		}
	}
	if live == nil || base == nil {
		return d.oneSided(ctx, live, base)
	}
	columns, note := common(live, base)
	t := TableDifference{Method: "no primary key: by whole rows", Note: note}
	row := hashExpr(columns, false, d.major)
	key, keyed := row, false
	if slices.Equal(live.key, base.key) && len(live.key) > 0 {
		var keys []column
		for _, name := range live.key {
			if i := slices.IndexFunc(columns, func(c column) bool { return c.name == name }); i >= 0 {
				keys = append(keys, columns[i])
			}
		}
		if len(keys) == len(live.key) {
			key, keyed, t.Method = hashExpr(keys, false, d.major), true, "by primary key"
		}
	}
	err := d.compare(ctx, [2]string{
		"SELECT " + key + " AS k, " + row + " AS h FROM " + live.from() + " t",
		"SELECT " + key + " AS k, " + row + " AS h FROM " + base.from() + " t",
	}, keyed, &t)
	return t, err
}

// common are the columns that both have, by live's order; where the type differs the text is compared.
func common(live, base *relation) ([]column, string) {
	var both []column
	var notes []string
	for _, c := range live.columns {
		i := slices.IndexFunc(base.columns, func(b column) bool { return b.name == c.name })
		if i < 0 {
			notes = append(notes, "new column "+c.name)
			continue
		}
		b := base.columns[i]
		if b.typ != c.typ {
			notes = append(notes, fmt.Sprintf("column %s is %s, was %s", c.name, c.typ, b.typ))
			c.hashed = false
		}
		c.hashed = c.hashed && b.hashed
		c.text = c.text || b.text
		both = append(both, c)
	}
	for _, b := range base.columns {
		if !slices.ContainsFunc(live.columns, func(c column) bool { return c.name == b.name }) {
			notes = append(notes, "column "+b.name+" is gone")
		}
	}
	return both, strings.Join(notes, ", ")
}

func (d *differ) oneSided(ctx context.Context, live, base *relation) (TableDifference, error) {
	side, r, t := 0, live, TableDifference{Method: "count", Note: "new table"}
	if live == nil {
		side, r, t.Note = 1, base, "table is gone"
	}
	n := &t.Added
	if live == nil {
		n = &t.Removed
	}
	missing, err := d.guarded(ctx, side, func() error {
		return d.conns[side].QueryRow(ctx, "SELECT count(*) FROM "+r.from(), pgx.QueryExecModeExec).Scan(n)
	})
	t.Missing = missing
	return t, err
}

func (d *differ) largeObjects(ctx context.Context) (TableDifference, error) {
	t := TableDifference{Table: largeObjects, Method: "by number"}
	any := false
	for _, conn := range d.conns {
		var n int64
		var readable bool
		if err := conn.QueryRow(ctx, "SELECT count(*), has_table_privilege('pg_largeobject', 'SELECT') FROM pg_largeobject_metadata").Scan(&n, &readable); err != nil {
			return t, err
		}
		if n > 0 && !readable {
			t.Missing = "no SELECT privilege on pg_largeobject"
		}
		any = any || n > 0
	}
	if !any || t.Missing != "" {
		return t, nil
	}
	query := "SELECT id::bigint AS k, h FROM (" + largeObjectQuery(d.major) + ") o"
	return t, d.compare(ctx, [2]string{query, query}, true, &t)
}

// guarded runs read under a savepoint of one side; a lack of privilege, as under row-level security, is not an error.
func (d *differ) guarded(ctx context.Context, side int, read func() error) (missing string, err error) {
	conn := d.conns[side]
	if _, err := conn.Exec(ctx, "SAVEPOINT one"); err != nil {
		return "", err
	}
	err = read()
	if code(err) == "42501" {
		_, rollbackErr := conn.Exec(ctx, "ROLLBACK TO one")
		return reason(err), rollbackErr
	}
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "RELEASE one")
	return "", err
}
