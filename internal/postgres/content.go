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

// Content is what a database holds, table by table, in named columns: two of them tell whether a migration left the rows as
// they were, also where it added columns.
type Content struct {
	Tables    map[string]TableContent
	Sequences map[string]int64 // the last value; those that never gave one are left out
}

// TableContent is what one table holds, its partitions and heirs not counted.
type TableContent struct {
	Columns map[string]string // by name: the type; without generated ones
	Rows    int64
	Hash    string // of all rows in any order, in Columns
	Missing string // why it could not be read
}

// Content reads the ordinary tables of db. With an earlier content it reads the same tables in the same columns: what is
// gone, or of another type, is Missing.
func (s *Server) Content(ctx context.Context, db string, earlier *Content) (Content, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return Content{}, err
	}
	defer leave()
	c, err := readContent(ctx, conns[0], earlier)
	if err != nil {
		return Content{}, fmt.Errorf("read what %q holds: %w", db, err)
	}
	return c, nil
}

func readContent(ctx context.Context, conn *pgx.Conn, earlier *Content) (_ Content, err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return Content{}, err
	}
	defer func() { err = errors.Join(err, rollback(ctx, tx)) }()
	c := Content{Tables: map[string]TableContent{}, Sequences: map[string]int64{}}
	now, err := contentColumns(ctx, conn)
	if err != nil {
		return c, err
	}
	asked := now
	if earlier != nil {
		asked = map[string]map[string]string{}
		for table, content := range earlier.Tables {
			asked[table] = content.Columns
		}
	}
	for table, columns := range asked {
		content := TableContent{Columns: columns, Missing: lacking(now[table], columns)}
		if _, there := now[table]; !there {
			content.Missing = "it is gone"
		}
		if content.Missing == "" {
			if content.Rows, content.Hash, err = contentOf(ctx, tx, table, columns); err != nil {
				return c, fmt.Errorf("%s: %w", table, err)
			}
		}
		c.Tables[table] = content
	}
	var name string
	var value int64
	rows, err := conn.Query(ctx, "SELECT quote_ident(schemaname) || '.' || quote_ident(sequencename), last_value FROM pg_sequences WHERE last_value IS NOT NULL AND increment_by > 0")
	if err != nil {
		return c, err
	}
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		c.Sequences[name] = value
		return nil
	})
	return c, err
}

// contentColumns are the columns of every ordinary table, with their types.
func contentColumns(ctx context.Context, conn *pgx.Conn) (map[string]map[string]string, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid::regclass::text, coalesce(quote_ident(a.attname), ''), coalesce(format_type(a.atttypid, a.atttypmod), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND `+userSchema+` AND `+notMember("pg_class", "c.oid"))
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]string{}
	var table, column, typ string
	_, err = pgx.ForEachRow(rows, []any{&table, &column, &typ}, func() error {
		if out[table] == nil {
			out[table] = map[string]string{}
		}
		if column != "" {
			out[table][column] = typ
		}
		return nil
	})
	return out, err
}

// lacking says which of the columns is not there as it was.
func lacking(now, columns map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		switch typ, there := now[name]; {
		case !there:
			return fmt.Sprintf("its column %s is gone", name)
		case typ != columns[name]:
			return fmt.Sprintf("its column %s is of type %s, was %s", name, typ, columns[name])
		}
	}
	return ""
}

func contentOf(ctx context.Context, tx pgx.Tx, table string, columns map[string]string) (rows int64, hash string, err error) {
	row := "''"
	if len(columns) > 0 {
		row = "ROW(" + strings.Join(slices.Sorted(maps.Keys(columns)), ", ") + ")::text"
	}
	err = tx.QueryRow(ctx, "SELECT count(*), coalesce(sum(hashtextextended("+row+", 0)::numeric), 0)::text FROM ONLY "+table).Scan(&rows, &hash)
	return rows, hash, err
}
