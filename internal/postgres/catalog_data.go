package postgres

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/snapshot"
)

const (
	foundRows      = 500    // that a table which looks like reference data has at most
	configuredRows = 10_000 // that a table which is said to be reference data has at most
	scanRate       = 200 << 20
)

// dataReader reads what is known of the rows, one table after another, smallest first, until the time is over.
type dataReader struct {
	conn    *pgx.Conn
	major   int
	options CatalogOptions

	user   string
	tables []*dataTable
}

type dataTable struct {
	*relation
	estimate int64
	bytes    int64
	writes   int64 // updates and deletes since the server counts
	referred bool  // by a foreign key of another table
	parent   uint32
}

// read returns every table that is not part of another, by name.
func (d *dataReader) read(ctx context.Context) ([]snapshot.TableData, error) {
	if err := d.list(ctx); err != nil {
		return nil, err
	}
	slices.SortStableFunc(d.tables, func(a, b *dataTable) int { return cmp.Compare(a.bytes, b.bytes) })
	end := time.Now().Add(d.options.Rows)
	out := make([]snapshot.TableData, 0, len(d.tables))
	for _, t := range d.tables {
		data := snapshot.TableData{Table: t.String(), Rows: t.estimate, Bytes: t.bytes}
		left := time.Until(end)
		if need := time.Duration(float64(t.bytes) / scanRate * float64(time.Second)); left > 0 && need < left {
			if err := d.table(ctx, t, &data, left); err != nil {
				return nil, fmt.Errorf("%s: %w", t, err)
			}
		}
		if !t.readable {
			data.Error = d.missing(t)
		}
		out = append(out, data)
	}
	slices.SortFunc(out, func(a, b snapshot.TableData) int { return cmp.Compare(a.Table, b.Table) })
	return out, nil
}

// missing names the grant that is lacking.
func (d *dataReader) missing(t *dataTable) string {
	return fmt.Sprintf("no SELECT privilege: GRANT USAGE ON SCHEMA %s TO %s; GRANT SELECT ON %s TO %s", quoteIfNeeded(t.schema), quoteIfNeeded(d.user), t, quoteIfNeeded(d.user))
}

func (d *dataReader) list(ctx context.Context) error {
	all, err := readRelations(ctx, d.conn, "r,p")
	if err != nil {
		return err
	}
	tables := map[uint32]*dataTable{}
	for _, r := range all {
		tables[r.oid] = &dataTable{relation: r}
	}
	// Sizes are the planner's: to ask for the real one takes a lock.
	rows, err := d.conn.Query(ctx, `SELECT c.oid, greatest(c.reltuples, pg_stat_get_live_tuples(c.oid), 0)::bigint, 8192 * greatest(c.relpages, 0)::bigint + coalesce(8192 * t.relpages::bigint, 0),
			pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid), coalesce(i.inhparent, 0), k.confrelid IS NOT NULL
		FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_inherits i ON c.relispartition AND i.inhrelid = c.oid
			LEFT JOIN (SELECT DISTINCT confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid) k ON k.confrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.relnamespace IN `+ownSchemas)
	if err != nil {
		return err
	}
	var oid, parent uint32
	var estimate, bytes, writes int64
	var referred bool
	if _, err := pgx.ForEachRow(rows, []any{&oid, &estimate, &bytes, &writes, &parent, &referred}, func() error {
		if t := tables[oid]; t != nil {
			t.estimate, t.bytes, t.writes, t.parent, t.referred = estimate, max(bytes, estimate), writes, parent, referred
		}
		return nil
	}); err != nil {
		return err
	}
	for _, r := range all {
		t := tables[r.oid]
		if !t.leaf {
			d.tables = append(d.tables, t)
			continue
		}
		root := t
		for root.leaf && tables[root.parent] != nil {
			root = tables[root.parent]
		}
		if t.kind == "r" {
			root.estimate, root.bytes, root.writes = root.estimate+t.estimate, root.bytes+t.bytes, root.writes+t.writes
		}
	}
	return d.conn.QueryRow(ctx, "SELECT current_user").Scan(&d.user)
}

// table counts and hashes the rows of t within the time, and looks at them one by one where they are reference data.
func (d *dataReader) table(ctx context.Context, t *dataTable, data *snapshot.TableData, left time.Duration) error {
	if !t.readable {
		return nil
	}
	newest := t.newestColumn()
	at := "NULL::text"
	if newest != "" {
		at = "t." + ident(newest)
	}
	columns := slices.Clone(t.columns) // by name: their places say nothing
	slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.name, b.name) })
	query := "SELECT count(*), coalesce(bit_xor(h), 0), coalesce(sum(h), 0), max(f)::text FROM (SELECT " + hashExpr(columns, false, d.major) + " AS h, " + at + " AS f FROM " + t.from() + " t) q"
	rows, why, err := d.ask(ctx, query, left)
	if err != nil || why != "" {
		if why != outOfTime {
			data.Error = why
		}
		return err
	}
	v := rows[0]
	data.Rows, err = strconv.ParseInt(v.text(0), 10, 64)
	if err != nil {
		return err
	}
	xor, err := strconv.ParseInt(v.text(1), 10, 64)
	if err != nil {
		return err
	}
	data.Exact = true
	data.Fingerprint = fmt.Sprintf("%016x/%s", uint64(xor), v.text(2))
	for _, layout := range []string{"2006-01-02 15:04:05.999999Z07", "2006-01-02 15:04:05.999999", time.DateOnly} {
		if at, err := time.Parse(layout, v.text(3)); err == nil { // not infinity
			data.Newest, data.NewestOf = at.UTC(), newest
		}
	}
	configured := d.configured(t)
	switch {
	case configured && len(t.key) == 0:
		data.Error = "reference table without a primary key: not compared row by row"
	case configured && data.Rows > configuredRows:
		data.Error = fmt.Sprintf("reference table of more than %d rows: not compared row by row", configuredRows)
	case configured, len(t.key) > 0 && t.referred && data.Rows > 0 && data.Rows <= foundRows && t.writes <= max(10, data.Rows/10):
		return d.byKey(ctx, t, data, left)
	}
	return nil
}

func (d *dataReader) configured(t *dataTable) bool {
	return slices.ContainsFunc(d.options.Reference, func(pattern string) bool {
		return matches(pattern, t.String()) || matches(pattern, t.schema+"."+t.name)
	})
}

// matches compares with a pattern in which * stands for any run of characters.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	ok, err := regexp.MatchString("^(?s:"+strings.Join(parts, ".*")+")$", name)
	return err == nil && ok
}

// byKey reads the rows one by one. The text of a row is hashed, which is the same on servers of different major versions;
// dates that tell when a row came differ between environments and are left out.
func (d *dataReader) byKey(ctx context.Context, t *dataTable, data *snapshot.TableData, left time.Duration) error {
	columns := slices.Clone(t.columns)
	slices.SortFunc(columns, func(a, b column) int { return cmp.Compare(a.name, b.name) })
	var parts, keys []string
	for _, c := range columns {
		if !stamps(c) || !dated.MatchString(c.name) || slices.Contains(t.key, c.name) {
			parts = append(parts, "t."+ident(c.name)+"::text")
		}
	}
	for _, name := range t.key {
		keys = append(keys, "t."+ident(name)+"::text")
	}
	key := keys[0]
	if len(keys) > 1 {
		key = "concat_ws(', ', " + strings.Join(keys, ", ") + ")"
	}
	rows, why, err := d.ask(ctx, fmt.Sprintf("SELECT left(%s, 200), md5(ROW(%s)::text) FROM %s t LIMIT %d", key, strings.Join(parts, ", "), t.from(), configuredRows), left)
	if err != nil || why != "" {
		if why != outOfTime {
			data.Error = why
		}
		return err
	}
	data.Reference, data.ByKey = true, make(map[string]string, len(rows))
	for _, v := range rows {
		data.ByKey[v.text(0)] = v.text(1)
	}
	return nil
}

// dated are names of columns that tell when a row came or changed.
var dated = regexp.MustCompile(`(?i)^(row_?)?(last_?)?(updated?|modified|changed|created?|inserted|added|imported|loaded|synced|applied)(_?(at|on|time|date|ts))?$`)

var future = regexp.MustCompile(`(?i)expir|due|until|valid|start|end|birth|delet|sched|next|plan|depart|arriv`)

// stamps reports whether a column is a point in time, or a day.
func stamps(c column) bool { return c.typ == "date" || strings.HasPrefix(c.typ, "timestamp") }

// newestColumn tells when rows came: a timestamp whose name says so, else the first that does not speak of the future.
func (t *dataTable) newestColumn() string {
	best, rank := "", 0
	for _, c := range t.columns {
		if !stamps(c) || c.typ == "date" && !dated.MatchString(c.name) {
			continue
		}
		r := 1
		switch lower := strings.ToLower(c.name); {
		case future.MatchString(lower) && !dated.MatchString(lower):
			continue
		case dated.MatchString(lower) && (strings.Contains(lower, "upd") || strings.Contains(lower, "mod") || strings.Contains(lower, "chang")):
			r = 4
		case dated.MatchString(lower):
			r = 3
		case lower == "at" || lower == "ts" || lower == "time" || lower == "timestamp" || strings.HasSuffix(lower, "_at"):
			r = 2
		}
		if r > rank {
			best, rank = c.name, r
		}
	}
	return best
}

const outOfTime = "out of time"

// ask runs one query that may fail by itself: for want of time, of a lock or of a right. Its locks are gone when it
// returns.
func (d *dataReader) ask(ctx context.Context, query string, limit time.Duration) (rows []row, why string, err error) {
	limit = min(limit, d.options.Statement)
	results := d.conn.PgConn().Exec(ctx, fmt.Sprintf("SAVEPOINT one; SET LOCAL statement_timeout = %d; %s; ROLLBACK TO one", max(1, limit.Milliseconds()), query))
	for results.NextResult() {
		reader := results.ResultReader()
		for reader.NextRow() {
			values := make(row, len(reader.Values()))
			for i, v := range reader.Values() {
				values[i] = slices.Clone(v)
			}
			rows = append(rows, values)
		}
	}
	err = results.Close()
	if err == nil {
		return rows, "", nil
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	switch code(err) {
	case "57014":
		why = outOfTime
	case "55P03":
		why = "locked by another session"
	case "42501":
		why = reason(err) + ": the table's owner, or a role with BYPASSRLS, reads all rows"
	case "42P01":
		why = "dropped meanwhile"
	default:
		return nil, "", err
	}
	_, err = d.conn.Exec(ctx, "ROLLBACK TO one")
	return nil, why, err
}
