package postgres

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
)

// Activity counts what was ever done to the rows of a table.
type Activity struct{ Inserted, Updated, Deleted int64 }

// How long the counters must stand still: sessions hand theirs in when they end, and until PostgreSQL 14 a collector writes
// them down later.
const (
	activityRest    = 150 * time.Millisecond
	activityRestOld = 600 * time.Millisecond
)

// Activity reads the counters of all tables of db once they stand still, or after ten seconds.
func (s *Server) Activity(ctx context.Context, db string) (map[string]Activity, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	defer leave()
	rest := activityRest
	if s.major < 15 {
		rest = activityRestOld
	}
	var last map[string]Activity
	for deadline := time.Now().Add(10 * time.Second); ; {
		now, err := readActivity(ctx, conns[0])
		if err != nil {
			return nil, fmt.Errorf("count what was done in %q: %w", db, err)
		}
		if last != nil && (maps.Equal(last, now) || time.Now().After(deadline)) {
			return now, nil
		}
		last = now
		if err := sleep(ctx, rest); err != nil {
			return nil, err
		}
	}
}

func readActivity(ctx context.Context, conn *pgx.Conn) (map[string]Activity, error) {
	rows, err := conn.Query(ctx, "SELECT relid::regclass::text, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables")
	if err != nil {
		return nil, err
	}
	out := map[string]Activity{}
	var table string
	var a Activity
	_, err = pgx.ForEachRow(rows, []any{&table, &a.Inserted, &a.Updated, &a.Deleted}, func() error {
		out[table] = a
		return nil
	})
	return out, err
}
