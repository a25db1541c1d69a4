package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const swapTimeout = 30 * time.Second

// Swap puts the copy in into the place of live and keeps the former live under the name aside, closed to connections. Both
// renames are one transaction, with the marks and with the opening of the new live: there is no moment and no crash after
// which only a part is done. Sessions in either database are ended first. A swap that is done already is no error.
func (s *Server) Swap(ctx context.Context, live, aside, in string) error {
	if err := s.swap(ctx, live, aside, in); err != nil {
		return fmt.Errorf("swap %q for %q: %w", live, in, err)
	}
	return nil
}

func (s *Server) swap(ctx context.Context, live, aside, in string) error {
	if !IsCopy(aside) || !IsCopy(in) {
		return ErrNotCopy
	}
	conn, err := s.maintenance(ctx, live, aside, in)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	var states [3]state
	for i, name := range []string{live, aside, in} {
		if states[i], err = databaseState(ctx, conn, name); err != nil {
			return err
		}
	}
	l, a, n := states[0], states[1], states[2]
	switch {
	case l.exists && a.exists && !n.exists:
		if a.copy.complete() && a.copy.Swapped == l.oid {
			return s.ensureOpen(ctx, conn, live)
		}
		return fmt.Errorf("there is no %q, and %q was not left by this swap; nothing was changed", in, aside)
	case !n.exists:
		return fmt.Errorf("%q: %w; nothing was changed", in, ErrNoDatabase)
	case !n.copy.complete():
		return fmt.Errorf("%q is not a complete copy; nothing was changed", in)
	case l.exists && a.exists:
		return fmt.Errorf("%q exists already; nothing was changed: drop or rename it and try again", aside)
	}
	return s.rename(ctx, conn, swapNames{live, aside, in}, l, n)
}

type swapNames struct{ live, aside, in string }

// rename closes both databases, ends their sessions, and commits the swap. Without a live database the copy takes the free name.
func (s *Server) rename(ctx context.Context, conn *pgx.Conn, names swapNames, live, in state) (err error) {
	if live.exists {
		if _, err := s.quiesce(ctx, conn, names.live, live, QuiesceOptions{Deadline: swapTimeout}); err != nil {
			if live.open {
				err = errors.Join(err, s.reopenAfter(ctx, names.live))
			}
			return err
		}
	}
	defer func() {
		if err != nil && live.open {
			err = errors.Join(err, s.reopenAfter(ctx, names.live))
		}
	}()
	if _, err := s.quiesce(ctx, conn, names.in, in, QuiesceOptions{Deadline: swapTimeout}); err != nil {
		return err
	}
	for deadline := time.Now().Add(swapTimeout); ; {
		err := s.renameOnce(ctx, conn, names, live, in)
		if code(err) != "55006" || time.Now().After(deadline) {
			return err
		}
		for _, st := range []state{live, in} { // a worker of the server came back
			if st.exists {
				if _, err := terminate(ctx, conn, st.oid, nil); err != nil {
					return err
				}
			}
		}
	}
}

func (s *Server) renameOnce(ctx context.Context, conn *pgx.Conn, names swapNames, live, in state) error {
	var statements []string
	if live.exists {
		mark := Copy{ID: in.copy.ID, Of: names.live, Comment: live.note, Swapped: in.oid}
		statements = append(statements,
			"ALTER DATABASE "+ident(names.live)+" RENAME TO "+ident(names.aside),
			"COMMENT ON DATABASE "+ident(names.aside)+" IS "+literal(mark.mark()))
	}
	comment := "NULL"
	if in.copy.Comment != "" {
		comment = literal(in.copy.Comment)
	}
	statements = append(statements,
		"ALTER DATABASE "+ident(names.in)+" RENAME TO "+ident(names.live),
		"COMMENT ON DATABASE "+ident(names.live)+" IS "+comment,
		"ALTER DATABASE "+ident(names.live)+" WITH ALLOW_CONNECTIONS true")
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Server) ensureOpen(ctx context.Context, conn *pgx.Conn, db string) error {
	st, err := databaseState(ctx, conn, db)
	if err != nil || st.open {
		return err
	}
	return allowConnections(ctx, conn, db, true)
}
