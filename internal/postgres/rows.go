package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// RowOptions say how rows are read.
type RowOptions struct {
	Parallel int    // sessions; 2 when 0
	Snapshot string // ID of a Snapshot of the same database; without it one is taken
	Exact    bool   // hash the text of every column: numeric 1.0 and 1.00 differ then, at about twice the time
	// Progress is called with the tables read and the tables to read. Calls do not overlap.
	Progress func(done, total int)
}

// Rows are the fingerprints of all that a database holds.
type Rows struct {
	Major  int                  `json:"major"` // hashes of different major versions cannot be compared
	Tables map[string]TableRows `json:"tables"`
	Hash   string               `json:"hash"` // SHA-256 of all tables
}

// TableRows is one table, materialized view or sequence, or "large objects". Count, with the XOR and the sum of a 64-bit
// hash of each row, proves equality by the equality operators of the types, not by byte (RowOptions.Exact does).
type TableRows struct {
	Count   int64  `json:"count"`
	Hash    string `json:"hash"`
	Method  string `json:"method"`
	Derived bool   `json:"derived,omitempty"` // of a materialized view: a logical restore makes it anew from what it is made of
	Missing string `json:"missing,omitempty"` // why it was not read; then the rest is empty
}

const (
	largeObjects   = "large objects"
	sequenceMethod = "value"
)

// Missing names what was not read, sorted.
func (r Rows) Missing() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.Tables)) {
		if m := r.Tables[name].Missing; m != "" {
			names = append(names, name+": "+m)
		}
	}
	return names
}

// RowFingerprints reads every row of db in one snapshot. What the role may not read is listed as missing. Sequences are
// not under the snapshot: their value is the one at the time of reading.
func (s *Server) RowFingerprints(ctx context.Context, db string, o RowOptions) (Rows, error) {
	if o.Parallel <= 0 {
		o.Parallel = 2
	}
	conns, leave, err := s.enter(ctx, db, o.Parallel)
	if err != nil {
		return Rows{}, err
	}
	defer leave()
	r := rowReader{server: s, conns: conns, options: o, rows: Rows{Major: s.major, Tables: map[string]TableRows{}}}
	if err := r.read(ctx); err != nil {
		return Rows{}, fmt.Errorf("read the rows of %q: %w", db, err)
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(r.rows.Tables)) {
		t := r.rows.Tables[name]
		fmt.Fprintf(h, "%q %d %s %q\n", name, t.Count, t.Hash, t.Missing)
	}
	r.rows.Hash = hex.EncodeToString(h.Sum(nil))
	return r.rows, nil
}

type rowReader struct {
	server  *Server
	conns   []*pgx.Conn
	options RowOptions
	rows    Rows
}

type readStretch struct {
	stretch
	subtotal
}

func (r *rowReader) read(ctx context.Context) error {
	id := r.options.Snapshot
	first := r.conns[0]
	followers := r.conns
	if id == "" {
		var err error
		if id, err = exportSnapshot(ctx, first); err != nil {
			return err
		}
		followers = followers[1:]
	}
	for _, c := range followers {
		if err := importSnapshot(ctx, c, id); err != nil {
			return fmt.Errorf("share the snapshot: %w", err)
		}
	}
	relations, err := readRelations(ctx, first, "r,m,f")
	if err != nil {
		return err
	}
	done, read := map[*relation]int{}, map[*relation]*subtotal{}
	var list []*relation
	for _, rel := range relations {
		if rows, known := unread(rel); known {
			r.rows.Tables[rel.String()] = rows
			continue
		}
		list, read[rel] = append(list, rel), &subtotal{}
	}
	work := make(chan stretch)
	results := make(chan readStretch)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		for _, p := range stretches(list, r.server.major) {
			select {
			case work <- p:
			case <-gctx.Done():
				return gctx.Err()
			}
		}
		return nil
	})
	for _, conn := range r.conns {
		g.Go(func() error {
			for p := range work {
				t, err := subtotalOf(gctx, conn, r.hashes(p))
				if err != nil {
					return fmt.Errorf("%s: %w", p.rel, err)
				}
				select {
				case results <- readStretch{p, t}:
				case <-gctx.Done():
					return gctx.Err()
				}
			}
			return nil
		})
	}
	failed := make(chan error, 1)
	go func() {
		failed <- g.Wait()
		close(results)
	}()
	for p := range results {
		read[p.rel].add(p.subtotal)
		if done[p.rel]++; done[p.rel] < p.of {
			continue
		}
		rows := read[p.rel].rows(method(p.rel.columns, r.options.Exact, r.server.major))
		rows.Derived = p.rel.kind == "m"
		r.rows.Tables[p.rel.String()] = rows
		if r.options.Progress != nil {
			r.options.Progress(len(r.rows.Tables), len(relations))
		}
	}
	if err := <-failed; err != nil {
		return err
	}
	if err := r.sequences(ctx, first); err != nil {
		return fmt.Errorf("sequences: %w", err)
	}
	if err := r.largeObjects(ctx, first); err != nil {
		return fmt.Errorf("%s: %w", largeObjects, err)
	}
	return nil
}

// unread is a relation whose rows are not to be read.
func unread(rel *relation) (rows TableRows, known bool) {
	switch {
	case rel.kind == "f":
		return TableRows{Missing: "foreign table: its rows are elsewhere"}, true
	case rel.kind == "m" && !rel.populated:
		return TableRows{Method: "not populated", Hash: "none", Derived: true}, true
	case !rel.readable:
		return TableRows{Missing: "no SELECT privilege"}, true
	}
	return TableRows{}, false
}

// hashes is the query for the hashes of the rows of a stretch.
func (r *rowReader) hashes(p stretch) string {
	return "SELECT " + hashExpr(p.rel.columns, r.options.Exact, r.server.major) + " AS h FROM " + p.rel.from() + " t" + p.where()
}

func (r *rowReader) sequences(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT n.nspname, c.relname, has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND `+userSchema)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	var schema, name string
	var readable bool
	if _, err := pgx.ForEachRow(rows, []any{&schema, &name, &readable}, func() error {
		key := "sequence " + relation{schema: schema, name: name}.String()
		if !readable {
			r.rows.Tables[key] = TableRows{Missing: "no SELECT privilege"}
			return nil
		}
		batch.Queue("SELECT last_value, is_called FROM " + ident(schema, name)).QueryRow(func(row pgx.Row) error {
			var last int64
			var called bool
			if err := row.Scan(&last, &called); err != nil {
				return err
			}
			r.rows.Tables[key] = TableRows{Count: 1, Hash: fmt.Sprintf("%d called=%t", last, called), Method: sequenceMethod}
			return nil
		})
		return nil
	}); err != nil {
		return err
	}
	return conn.SendBatch(ctx, batch).Close()
}

// pagesQuery yields the number and a hash of every large object that can be read, from its pages, owner and privileges.
func largeObjectQuery(major int) string {
	hash := "hashtextextended(p.pageno || ':' || encode(p.data, 'hex'), 0)"
	if major >= 14 {
		hash = "hash_record_extended(ROW(p.pageno, p.data), 0)"
	}
	return `SELECT m.oid AS id, hashtextextended(m.oid || ' ' || pg_get_userbyid(m.lomowner) || ' ' || coalesce(m.lomacl::text, ''), coalesce((SELECT bit_xor(` + hash + `) FROM pg_largeobject p WHERE p.loid = m.oid), 0)) AS h
		FROM pg_largeobject_metadata m`
}

func (r *rowReader) largeObjects(ctx context.Context, conn *pgx.Conn) error {
	var n int64
	var readable bool
	err := conn.QueryRow(ctx, "SELECT count(*), has_table_privilege('pg_largeobject', 'SELECT') FROM pg_largeobject_metadata").Scan(&n, &readable)
	if err != nil {
		return err
	}
	if n > 0 && !readable {
		r.rows.Tables[largeObjects] = TableRows{Missing: fmt.Sprintf("%d of them; no SELECT privilege on pg_largeobject", n)}
		return nil
	}
	rows := TableRows{Hash: "none", Method: "hash of the pages"}
	if n > 0 {
		t, err := subtotalOf(ctx, conn, largeObjectQuery(r.server.major))
		if err != nil {
			return err
		}
		rows = t.rows(rows.Method)
	}
	r.rows.Tables[largeObjects] = rows
	return nil
}

// DiffRows says how b differs from a, one line for each table, sorted; empty only when all was read on both sides and is
// equal.
func DiffRows(a, b Rows) []string {
	if a.Major != b.Major {
		return []string{fmt.Sprintf("not compared: hashes of PostgreSQL %d and %d differ for equal rows", a.Major, b.Major)}
	}
	names := map[string]bool{}
	for n := range a.Tables {
		names[n] = true
	}
	for n := range b.Tables {
		names[n] = true
	}
	var diff []string
	for _, n := range slices.Sorted(maps.Keys(names)) {
		before, had := a.Tables[n]
		now, has := b.Tables[n]
		switch {
		case !has:
			diff = append(diff, fmt.Sprintf("%s is gone (%d rows)", n, before.Count))
		case !had:
			diff = append(diff, fmt.Sprintf("%s is new (%d rows)", n, now.Count))
		case before.Missing != "" || now.Missing != "":
			missing := before.Missing
			if missing == "" {
				missing = now.Missing
			}
			diff = append(diff, n+" not compared: "+missing)
		case before.Count != now.Count:
			diff = append(diff, fmt.Sprintf("%s has %d rows, was %d", n, now.Count, before.Count))
		case before.Method != now.Method:
			diff = append(diff, fmt.Sprintf("%s not compared: %s, was %s", n, now.Method, before.Method))
		case before.Hash != now.Hash && before.Method == sequenceMethod:
			diff = append(diff, fmt.Sprintf("%s is %s, was %s", n, now.Hash, before.Hash))
		case before.Hash != now.Hash:
			diff = append(diff, fmt.Sprintf("%s has other rows (%d as before)", n, now.Count))
		}
	}
	return diff
}
