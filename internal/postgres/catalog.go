package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/snapshot"
)

// CatalogOptions say how much of a database is read for a comparison. The zero value reads the schema, and of the rows
// what the server's own statistics say.
type CatalogOptions struct {
	Rows       time.Duration // that the counting and hashing of rows may take in all; 0: none is read
	Reference  []string      // tables that are read row by row: schema.table, with * for any run of characters
	Statement  time.Duration // limit of one statement; a minute when 0
	Lock       time.Duration // how long a lock of somebody else is waited for; a second when 0
	Definition int           // bytes of a definition or attribute that are kept, the rest as a hash; 64 KiB when 0
}

func (o CatalogOptions) filled() CatalogOptions {
	if o.Statement <= 0 {
		o.Statement = time.Minute
	}
	if o.Lock <= 0 {
		o.Lock = time.Second
	}
	if o.Definition <= 0 {
		o.Definition = 64 << 10
	}
	return o
}

// catalogTries is how often a catalog is read that somebody changes at that moment.
const catalogTries = 3

// Catalog reads the definition of db, normalised so that equal schemas read equal whatever route led to them, and what is
// known of its rows. It takes one connection and one read-only transaction. Its locks are ACCESS SHARE and go as soon as a
// table has been read, so that a schema change of somebody else waits for one table at most. A table that the role may not
// read is in the result with an error that names the missing grant. Server is left for the caller to fill.
func (s *Server) Catalog(ctx context.Context, db string, o CatalogOptions) (snapshot.Catalog, error) {
	o = o.filled()
	out := snapshot.Catalog{Database: db, Major: s.major}
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return out, err
	}
	defer leave()
	for try := 1; ; try++ {
		err = s.readCatalog(ctx, conns[0], &out, o)
		if err == nil || try == catalogTries || !changedMeanwhile(err) {
			break
		}
	}
	if err != nil {
		return snapshot.Catalog{Database: db, Major: s.major}, fmt.Errorf("read the catalog of %q: %w", db, err)
	}
	return out, nil
}

// changedMeanwhile is true of the errors that a definition gives which went away between the transaction's state, which
// lists it, and the present one, which the server's functions show it by.
func changedMeanwhile(err error) bool {
	switch code(err) {
	case "XX000", "42P01", "42704", "42883", "55P03":
		return true
	}
	return false
}

func (s *Server) readCatalog(ctx context.Context, conn *pgx.Conn, out *snapshot.Catalog, o CatalogOptions) (err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rollback(ctx, tx)) }()
	limits := fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d; SAVEPOINT catalog", o.Statement.Milliseconds(), o.Lock.Milliseconds())
	if _, err := conn.Exec(ctx, limits); err != nil {
		return err
	}
	r := newCatalogReader(s.major, o.Definition)
	if err := r.read(ctx, conn); err != nil {
		return err
	}
	out.Objects = r.sorted()
	// What reads a definition locks its table until then.
	if _, err := conn.Exec(ctx, "ROLLBACK TO catalog"); err != nil {
		return err
	}
	d := dataReader{conn: conn, major: s.major, options: o}
	if out.Tables, err = d.read(ctx); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	out.Applied, err = d.migrations(ctx, out.Tables)
	return err
}
