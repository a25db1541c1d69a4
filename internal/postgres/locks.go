package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Lock is the strongest lock that was seen on a table, and for how long at least.
type Lock struct {
	Table string
	Mode  string // as PostgreSQL calls it: ACCESS EXCLUSIVE
	Held  time.Duration
}

// lockModes are those that keep somebody else from something, weakest first, as pg_locks has them and as SQL has them.
func lockModes() [][2]string {
	return [][2]string{
		{"RowShareLock", "ROW SHARE"},
		{"RowExclusiveLock", "ROW EXCLUSIVE"},
		{"ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"},
		{"ShareLock", "SHARE"},
		{"ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"},
		{"ExclusiveLock", "EXCLUSIVE"},
		{"AccessExclusiveLock", "ACCESS EXCLUSIVE"},
	}
}

// lockSample is how often locks are looked at. One that is held for a shorter time may be missed.
const lockSample = 25 * time.Millisecond

// WatchLocks looks at the locks that other sessions hold on tables of db until stop is called, which returns what was seen,
// the longest of the strongest first.
func (s *Server) WatchLocks(ctx context.Context, db string) (stop func() []Lock, err error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan []Lock, 1)
	go func() {
		defer leave()
		w := lockWatch{begun: map[heldLock]time.Time{}, longest: map[heldLock]time.Duration{}}
		for {
			held, err := heldLocks(ctx, conns[0])
			if err != nil {
				break // what was seen counts
			}
			w.see(held, time.Now())
			if sleep(ctx, lockSample) != nil {
				break
			}
		}
		done <- w.strongest()
	}()
	return func() []Lock {
		cancel()
		return <-done
	}, nil
}

type heldLock struct{ table, mode string }

type lockWatch struct {
	begun   map[heldLock]time.Time
	longest map[heldLock]time.Duration
}

func heldLocks(ctx context.Context, conn *pgx.Conn) ([]heldLock, error) {
	rows, err := conn.Query(ctx, `SELECT DISTINCT c.oid::regclass::text, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE l.granted AND l.pid <> pg_backend_pid() AND l.mode <> 'AccessShareLock' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND c.relkind IN ('r', 'p', 'm') AND `+userSchema)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (heldLock, error) {
		var h heldLock
		err := row.Scan(&h.table, &h.mode)
		return h, err
	})
}

func (w *lockWatch) see(held []heldLock, now time.Time) {
	for _, h := range held {
		if _, known := w.begun[h]; !known {
			w.begun[h] = now
		}
		w.longest[h] = max(w.longest[h], now.Sub(w.begun[h]))
	}
	for h := range w.begun {
		if !slices.Contains(held, h) {
			delete(w.begun, h)
		}
	}
}

func (w *lockWatch) strongest() []Lock {
	modes := lockModes()
	strength := func(mode string) int {
		return slices.IndexFunc(modes, func(m [2]string) bool { return m[0] == mode })
	}
	best := map[string]heldLock{}
	for h := range w.longest {
		if known, ok := best[h.table]; strength(h.mode) >= 0 && (!ok || strength(h.mode) > strength(known.mode)) {
			best[h.table] = h
		}
	}
	out := make([]Lock, 0, len(best))
	for table, h := range best {
		out = append(out, Lock{Table: table, Mode: modes[strength(h.mode)][1], Held: w.longest[h]})
	}
	slices.SortFunc(out, func(a, b Lock) int {
		index := func(l Lock) int {
			return slices.IndexFunc(modes, func(m [2]string) bool { return m[1] == l.Mode })
		}
		return cmp.Or(index(b)-index(a), cmp.Compare(b.Held, a.Held), cmp.Compare(a.Table, b.Table))
	})
	return out
}
