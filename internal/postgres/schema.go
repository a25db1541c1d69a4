package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Schema is the definition of a database: every object by kind and qualified name, with its definition in one line of
// text. Values in tables and sequences are not part of it.
type Schema struct {
	Hash    string            `json:"hash"` // SHA-256 of all objects
	Objects map[string]string `json:"objects"`
}

// newSchema computes the hash of objects.
func newSchema(objects map[string]string) Schema {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		fmt.Fprintf(h, "%d:%s=%d:%s\n", len(key), key, len(objects[key]), objects[key])
	}
	return Schema{Hash: hex.EncodeToString(h.Sum(nil)), Objects: objects}
}

// SchemaFingerprint reads the definition of db in one read-only transaction. What belongs to the server's own schemas and
// the members of extensions are left out; the extensions themselves are in, with their versions.
func (s *Server) SchemaFingerprint(ctx context.Context, db string) (Schema, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return Schema{}, err
	}
	defer leave()
	objects, err := s.readSchema(ctx, conns[0], db)
	if err != nil {
		return Schema{}, fmt.Errorf("read the schema of %q: %w", db, err)
	}
	return newSchema(objects), nil
}

func (s *Server) readSchema(ctx context.Context, conn *pgx.Conn, db string) (_ map[string]string, err error) {
	objects := map[string]string{}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rollback(ctx, tx)) }()
	props, err := readProperties(ctx, conn, db)
	if err != nil {
		return nil, err
	}
	objects["database"] = props.line()
	// The simple protocol needs no round trip to prepare each query.
	results := conn.PgConn().Exec(ctx, strings.Join(schemaQueries(s.major), ";\n"))
	for results.NextResult() {
		rows := results.ResultReader()
		for rows.NextRow() {
			v := rows.Values()
			key, def := string(v[0]), string(v[1])
			for n := 2; ; n++ { // two operators may differ in what the key does not show
				if _, taken := objects[key]; !taken {
					break
				}
				key = fmt.Sprintf("%s (%d)", v[0], n)
			}
			objects[key] = def
		}
	}
	if err := results.Close(); err != nil {
		return nil, err
	}
	return objects, nil
}

func rollback(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) && !tx.Conn().IsClosed() {
		return err
	}
	return nil
}

// line is the database's own definition. The connection limit and grants in it are restored by the swap; whether the
// database is open is not part of it.
func (p Properties) line() string {
	grants := "default"
	if p.Grants != nil {
		grants = fmt.Sprint(p.Grants)
	}
	return fmt.Sprintf("owner=%s encoding=%s collate=%s ctype=%s provider=%s locale=%s rules=%s tablespace=%s limit=%d grants=%s settings=%v comment=%q",
		p.Owner, p.Encoding, p.Collate, p.CType, p.Provider, p.Locale, p.ICURules, p.Tablespace, p.ConnectionLimit, grants, p.Settings, p.Comment)
}

// DiffSchema says how b differs from a, one line for each object, sorted; empty when they are equal. A column, constraint
// or index of a table that is wholly new or gone is not named besides the table.
func DiffSchema(a, b Schema) []string {
	var diff []string
	keys := map[string]bool{}
	for k := range a.Objects {
		keys[k] = true
	}
	for k := range b.Objects {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		before, had := a.Objects[k]
		now, has := b.Objects[k]
		switch {
		case had && has && before == now:
		case had && has:
			diff = append(diff, fmt.Sprintf("%s changed: %s", k, firstDifference(before, now)))
		case has:
			diff = append(diff, k+" added")
		default:
			diff = append(diff, k+" removed")
		}
	}
	return diff
}

// firstDifference shows where two definitions part, with a little of what is around.
func firstDifference(a, b string) string {
	ra, rb := []rune(a), []rune(b)
	i := 0
	for i < len(ra) && i < len(rb) && ra[i] == rb[i] {
		i++
	}
	start := max(0, i-20)
	cut := func(r []rune) string {
		text := string(r[start:min(len(r), i+60)])
		if start > 0 {
			text = "…" + text
		}
		if i+60 < len(r) {
			text += "…"
		}
		return text
	}
	return fmt.Sprintf("%q, was %q", cut(rb), cut(ra))
}
