package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxStatements bounds how many statements are tried, those that are sent most often first.
const maxStatements = 2000

// Statements are those that programs have sent to db, as the extension pg_stat_statements keeps them; none where the database
// does not have it.
func (s *Server) Statements(ctx context.Context, db string) ([]string, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	var schema string
	err = conns[0].QueryRow(ctx, "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'").Scan(&schema)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("known statements of %q: %w", db, err)
	}
	rows, err := conns[0].Query(ctx, `SELECT query FROM `+schema+`.pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND query ~* '^\s*(select|insert|update|delete|with|merge)\M' GROUP BY query ORDER BY sum(calls) DESC, query LIMIT $1`, maxStatements)
	if err != nil {
		return nil, fmt.Errorf("known statements of %q: %w", db, err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if code(err) == "55000" { // the extension is there, its library is not loaded
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("known statements of %q: %w", db, err)
	}
	return list, nil
}

// Refused tries which of the statements the server would not take in db, each with the reason. None is run.
func (s *Server) Refused(ctx context.Context, db string, statements []string) (map[string]string, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	conn := conns[0]
	if _, err := conn.Exec(ctx, "RESET search_path"); err != nil { // as a program has it
		return nil, err
	}
	out := map[string]string{}
	for _, sql := range statements {
		_, err := conn.PgConn().Prepare(ctx, "", sql, nil)
		var refused *pgconn.PgError
		switch {
		case errors.As(err, &refused):
			out[sql] = refused.Message
		case err != nil:
			return nil, fmt.Errorf("try the statements of %q: %w", db, err)
		}
	}
	return out, nil
}

// NewlyRefused are the statements that were taken before and are not now, each with the reason, in a fixed order.
func NewlyRefused(before, now map[string]string) []string {
	var out []string
	for _, sql := range slices.Sorted(maps.Keys(now)) {
		if _, then := before[sql]; !then {
			out = append(out, firstRunes(sql, 120)+": "+now[sql])
		}
	}
	return out
}

func firstRunes(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n]) + "…"
}
