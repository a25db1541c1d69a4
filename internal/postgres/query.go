package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Query runs one statement in a read-only transaction of db and returns the rows as PostgreSQL's text, with an empty
// string for NULL. Unqualified names are looked up as for any session of the role. Several statements are refused: they
// could end the transaction and write.
func (s *Server) Query(ctx context.Context, db, sql string) ([][]string, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	rows, err := queryText(ctx, conns[0], sql)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", db, err)
	}
	return rows, nil
}

func queryText(ctx context.Context, conn *pgx.Conn, sql string) (_ [][]string, err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rollback(ctx, tx)) }()
	if _, err := tx.Exec(ctx, "RESET search_path"); err != nil {
		return nil, err
	}
	// The extended protocol takes one statement only; without formats the values come as text.
	result := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	var out [][]string
	for _, row := range result.Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = string(v)
		}
		out = append(out, texts)
	}
	return out, nil
}
