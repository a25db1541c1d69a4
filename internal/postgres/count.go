package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Count runs one SELECT that yields one whole number, in a read-only transaction of db that ends after limit and waits for no
// lock longer than a second.
func (s *Server) Count(ctx context.Context, db, sql string, limit time.Duration) (_ int64, err error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return 0, err
	}
	defer leave()
	tx, err := conns[0].BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rollback(ctx, tx)) }()
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = 1000", limit.Milliseconds())); err != nil {
		return 0, err
	}
	// The extended protocol takes one statement only, so that none can end the transaction and write.
	result := conns[0].PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return 0, result.Err
	}
	if len(result.Rows) != 1 || len(result.Rows[0]) != 1 {
		return 0, fmt.Errorf("it yields %d rows, not one number", len(result.Rows))
	}
	n, err := strconv.ParseInt(string(result.Rows[0][0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("it yields %q, not a number", result.Rows[0][0])
	}
	return n, nil
}
