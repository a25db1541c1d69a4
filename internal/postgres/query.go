package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Query runs one statement in a read-only transaction of db and returns the rows as PostgreSQL's text, with an empty
// string for NULL.
func (s *Server) Query(ctx context.Context, db, sql string) ([][]string, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	tx, err := conns[0].BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", db, err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // nothing was written
	results, err := tx.Conn().PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", db, err)
	}
	var out [][]string
	for _, r := range results {
		for _, row := range r.Rows {
			texts := make([]string, len(row))
			for i, v := range row {
				texts[i] = string(v)
			}
			out = append(out, texts)
		}
	}
	return out, nil
}
