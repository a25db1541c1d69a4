package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// enter opens n sessions in db for reading. A closed database, such as a clone, is open only for as long as the sessions
// take to connect; whoever else slipped in is sent away. Leave closes the sessions.
func (s *Server) enter(ctx context.Context, db string, n int) (conns []*pgx.Conn, leave func(), err error) {
	s.door.Lock()
	defer s.door.Unlock()
	leave = func() {
		for _, c := range conns {
			closeConn(c)
		}
	}
	if !IsCopy(db) { // a killed predecessor may have left a copy open: it is shut in any case
		conns, err = s.connectAll(ctx, db, n)
		if code(err) == "3D000" {
			err = fmt.Errorf("%w: %w", ErrNoDatabase, err)
		}
		if code(err) != "55000" { // not: is not accepting connections
			return conns, leave, err
		}
	}
	m, err := s.maintenance(ctx, db)
	if err != nil {
		return nil, leave, err
	}
	defer closeConn(m)
	st, err := databaseState(ctx, m, db)
	if err != nil {
		return nil, leave, err
	}
	if !st.exists {
		return nil, leave, fmt.Errorf("open %q for reading: %w", db, ErrNoDatabase)
	}
	if err := allowConnections(ctx, m, db, true); err != nil {
		return nil, leave, fmt.Errorf("open %q for reading: %w", db, err)
	}
	for deadline := time.Now().Add(connectTimeout); ; { // another process may close it between
		conns, err = s.connectAll(ctx, db, n)
		if code(err) != "55000" || time.Now().After(deadline) {
			break
		}
		if e := allowConnections(ctx, m, db, true); e != nil {
			err = errors.Join(err, e)
			break
		}
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	if e := s.shut(clean, m, db, st.oid, conns); e != nil {
		err = errors.Join(err, fmt.Errorf("close %q again: %w", db, e))
	}
	if err != nil {
		leave()
		return nil, func() {}, err
	}
	return conns, leave, nil
}

// shut closes db and ends every session in it but ours.
func (s *Server) shut(ctx context.Context, m *pgx.Conn, db string, oid uint32, ours []*pgx.Conn) error {
	if m.IsClosed() { // with the caller's context
		var err error
		if m, err = s.maintenance(ctx, db); err != nil {
			return err
		}
		defer closeConn(m)
	}
	if err := allowConnections(ctx, m, db, false); err != nil {
		return err
	}
	var keep []int32
	for _, c := range ours {
		keep = append(keep, int32(c.PgConn().PID()))
	}
	rows, err := m.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE datid = $1 AND application_name = $2 AND usename = current_user", oid, application)
	if err != nil {
		return err
	}
	readers, err := pgx.CollectRows(rows, pgx.RowTo[int32]) // of this program, from another process
	if err != nil {
		return err
	}
	_, err = terminate(ctx, m, oid, append(keep, readers...))
	return err
}

func (s *Server) connectAll(ctx context.Context, db string, n int) ([]*pgx.Conn, error) {
	var conns []*pgx.Conn
	for range n {
		c, err := s.connect(ctx, db)
		if err != nil {
			for _, c := range conns {
				closeConn(c)
			}
			return nil, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}
