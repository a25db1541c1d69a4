package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	quiesceTimeout = 30 * time.Second
	cleanTimeout   = 20 * time.Second
	pollSessions   = 30 * time.Millisecond
)

// Session is a group of alike sessions. What they asked the server is left out: it can hold data.
type Session struct {
	User        string `json:"user"`
	Application string `json:"application"`
	Client      string `json:"client"` // address, or "local"
	State       string `json:"state"`  // active, idle, idle in transaction, …; empty when the role may not see it
	Count       int    `json:"count"`
}

// String is one line for people.
func (s Session) String() string {
	text := fmt.Sprintf("%d of %s", s.Count, s.User)
	if s.Application != "" {
		text += " (" + s.Application + ")"
	}
	text += " from " + s.Client
	if s.State != "" {
		text += ", " + s.State
	}
	return text
}

// Sessions is what Quiesce ended and what it found besides.
type Sessions struct {
	Terminated    []Session `json:"terminated"`
	Slots         []string  `json:"slots"`         // logical replication slots: they follow the database that is moved aside
	Subscriptions []string  `json:"subscriptions"` // a clone does not carry them
}

// QuiesceOptions says how long Quiesce tries.
type QuiesceOptions struct {
	Deadline time.Duration // 30 s when 0
}

// others are the client and worker sessions in a database; autovacuum is not among them: the server ends it by itself.
const others = ` FROM pg_stat_activity WHERE datid = $1 AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
	AND backend_type IS DISTINCT FROM 'autovacuum worker' AND backend_type IS DISTINCT FROM 'parallel worker'`

// OtherSessions lists the sessions in db, grouped.
func (s *Server) OtherSessions(ctx context.Context, db string) ([]Session, error) {
	conn, err := s.maintenance(ctx, db)
	if err != nil {
		return nil, err
	}
	defer closeConn(conn)
	st, err := databaseState(ctx, conn, db)
	if err != nil {
		return nil, err
	}
	if !st.exists {
		return nil, fmt.Errorf("sessions of %q: %w", db, ErrNoDatabase)
	}
	return listSessions(ctx, conn, st.oid)
}

func listSessions(ctx context.Context, conn *pgx.Conn, oid uint32) ([]Session, error) {
	rows, err := conn.Query(ctx, `SELECT coalesce(usename, ''), coalesce(application_name, ''), coalesce(host(client_addr), 'local'), coalesce(state, ''), count(*)::int`+
		others+` GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`, oid)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// terminate signals every session in the database of that oid, except those of keep, and returns whom it signalled. A
// session that the role may not signal is an error that names it and the missing grant.
func terminate(ctx context.Context, conn *pgx.Conn, oid uint32, keep []int32) (map[int32]Session, error) {
	if keep == nil {
		keep = []int32{}
	}
	rows, err := conn.Query(ctx, `SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(host(client_addr), 'local'), coalesce(state, ''),
		coalesce((SELECT rolsuper FROM pg_roles r WHERE r.oid = usesysid), false)`+others+` AND pid <> ALL ($2)`, oid, keep)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	found := map[int32]Session{}
	super := map[int32]bool{}
	var pid int32
	var one Session
	var isSuper bool
	if _, err := pgx.ForEachRow(rows, []any{&pid, &one.User, &one.Application, &one.Client, &one.State, &isSuper}, func() error {
		one.Count = 1
		found[pid], super[pid] = one, isSuper
		return nil
	}); err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	for pid, session := range found {
		_, err := conn.Exec(ctx, "SELECT pg_terminate_backend($1)", pid)
		if code(err) == "42501" {
			grant := "GRANT pg_signal_backend TO " + ident(conn.Config().User)
			if super[pid] {
				grant = "only a superuser can end a superuser's session"
			}
			return found, fmt.Errorf("end a session of %s: %w: %s", session.User, ErrRights, grant)
		}
		if err != nil {
			return found, fmt.Errorf("end a session of %s: %w", session.User, err)
		}
	}
	return found, nil
}

// Quiesce closes db to everyone and ends all sessions in it, until none is left. Prepared transactions are ErrPrepared,
// sessions that outlive the deadline ErrBusy; in both cases a database that was open is open again. Called again it does
// what is left to do.
func (s *Server) Quiesce(ctx context.Context, db string, o QuiesceOptions) (Sessions, error) {
	conn, err := s.maintenance(ctx, db)
	if err != nil {
		return Sessions{}, err
	}
	defer closeConn(conn)
	st, err := databaseState(ctx, conn, db)
	if err != nil {
		return Sessions{}, err
	}
	if !st.exists {
		return Sessions{}, fmt.Errorf("quiesce %q: %w", db, ErrNoDatabase)
	}
	found, err := s.quiesce(ctx, conn, db, st, o)
	if err != nil {
		err = fmt.Errorf("quiesce %q: %w", db, err)
		if st.open {
			err = errors.Join(err, s.reopenAfter(ctx, db))
		}
	}
	return found, err
}

// reopenAfter opens db on a connection and a context of its own.
func (s *Server) reopenAfter(ctx context.Context, db string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	return s.Reopen(ctx, db)
}

func (s *Server) quiesce(ctx context.Context, conn *pgx.Conn, db string, st state, o QuiesceOptions) (Sessions, error) {
	if o.Deadline <= 0 {
		o.Deadline = quiesceTimeout
	}
	var found Sessions
	if err := refusePrepared(ctx, conn, db); err != nil {
		return found, err
	}
	if err := conn.QueryRow(ctx, `SELECT
		coalesce((SELECT array_agg(slot_name::text || CASE WHEN active THEN ' (active)' ELSE '' END ORDER BY slot_name) FROM pg_replication_slots WHERE database = $1), '{}'),
		coalesce((SELECT array_agg(subname::text ORDER BY subname) FROM pg_subscription WHERE subdbid = $2), '{}')`, db, st.oid).
		Scan(&found.Slots, &found.Subscriptions); err != nil {
		return found, fmt.Errorf("read replication: %w", err)
	}
	if err := allowConnections(ctx, conn, db, false); err != nil {
		return found, err
	}
	var ended []Session
	seen := map[int32]bool{}
	for deadline := time.Now().Add(o.Deadline); ; {
		left, err := terminate(ctx, conn, st.oid, nil)
		for pid, session := range left {
			if !seen[pid] {
				seen[pid] = true
				ended = append(ended, session)
			}
		}
		found.Terminated = group(ended)
		if err != nil && !errors.Is(err, ErrRights) {
			return found, err
		}
		if len(left) == 0 {
			return found, refusePrepared(ctx, conn, db) // one may have been prepared meanwhile
		}
		if time.Now().After(deadline) {
			if err != nil {
				return found, err
			}
			return found, fmt.Errorf("%w after %s: %s", ErrBusy, o.Deadline, describe(left))
		}
		if err := sleep(ctx, pollSessions); err != nil {
			return found, err
		}
	}
}

func refusePrepared(ctx context.Context, conn *pgx.Conn, db string) error {
	rows, err := conn.Query(ctx, `SELECT format('%L of %s since %s', gid, owner, date_trunc('second', prepared)) FROM pg_prepared_xacts WHERE database = $1 ORDER BY prepared`, db)
	if err != nil {
		return fmt.Errorf("read prepared transactions: %w", err)
	}
	prepared, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read prepared transactions: %w", err)
	}
	if len(prepared) > 0 {
		return fmt.Errorf("%w: %s; end each with COMMIT PREPARED or ROLLBACK PREPARED", ErrPrepared, strings.Join(prepared, ", "))
	}
	return nil
}

// Reopen lets sessions into db again. Neither Quiesce nor anything else here changes its connection limit.
func (s *Server) Reopen(ctx context.Context, db string) error {
	conn, err := s.maintenance(ctx, db)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	st, err := databaseState(ctx, conn, db)
	if err != nil {
		return err
	}
	if !st.exists {
		return fmt.Errorf("reopen %q: %w", db, ErrNoDatabase)
	}
	if st.open {
		return nil
	}
	if err := allowConnections(ctx, conn, db, true); err != nil {
		return fmt.Errorf("reopen %q: %w", db, err)
	}
	return nil
}

// group counts alike sessions.
func group(list []Session) []Session {
	counts := map[Session]int{}
	for _, s := range list {
		counts[s]++
	}
	grouped := make([]Session, 0, len(counts))
	for s, n := range counts {
		s.Count = n
		grouped = append(grouped, s)
	}
	slices.SortFunc(grouped, func(a, b Session) int { return strings.Compare(a.String(), b.String()) })
	return grouped
}

func describe(left map[int32]Session) string {
	var list []Session
	for _, s := range left {
		list = append(list, s)
	}
	var texts []string
	for _, s := range group(list) {
		texts = append(texts, s.String())
	}
	return strings.Join(texts, "; ")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
