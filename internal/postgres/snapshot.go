package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Snapshot is one state of a database that several readers share: a dump and the fingerprints of the same rows. It lasts
// until Close.
type Snapshot struct {
	ID       string
	Database string
	conn     *pgx.Conn
	leave    func()
}

// Snapshot takes the present state of db. While it is held the database cannot be cloned.
func (s *Server) Snapshot(ctx context.Context, db string) (*Snapshot, error) {
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return nil, err
	}
	snap := &Snapshot{Database: db, conn: conns[0], leave: leave}
	if snap.ID, err = exportSnapshot(ctx, conns[0]); err != nil {
		leave()
		return nil, fmt.Errorf("snapshot of %q: %w", db, err)
	}
	return snap, nil
}

// Close ends the snapshot and its session.
func (s *Snapshot) Close() { s.leave() }

func exportSnapshot(ctx context.Context, conn *pgx.Conn) (string, error) {
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return "", err
	}
	var id string
	err := conn.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&id)
	return id, err
}

func importSnapshot(ctx context.Context, conn *pgx.Conn, id string) error {
	_, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT "+literal(id))
	return err
}
