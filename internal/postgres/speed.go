package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	sampleTime  = 500 * time.Millisecond // a sample of rows begins nothing new after it
	sampleBytes = 4 << 20                // read by one query of a sample, about
	fillerBytes = 64 << 20               // of the throwaway database that a clone is timed on, at most
)

// Speed is how long something takes here: Fixed whatever the size, and Took for every Bytes of database.
type Speed struct {
	Fixed time.Duration
	Bytes int64
	Took  time.Duration
	Total int64 // bytes of all that there is to be done; 0 where it was not asked for
}

// Of is how long so many bytes would take.
func (s Speed) Of(bytes int64) time.Duration {
	if s.Bytes <= 0 {
		return s.Fixed
	}
	return s.Fixed + time.Duration(float64(s.Took)*float64(bytes)/float64(s.Bytes))
}

// ReadSpeed times what a fingerprint of db does, on randomly chosen pages of its tables for about half a second; a small
// database is read whole. Nothing is written.
func (s *Server) ReadSpeed(ctx context.Context, db string) (Speed, error) {
	if s.major < 14 {
		return Speed{}, fmt.Errorf("PostgreSQL %d cannot read a part of a table alone", s.major)
	}
	started := time.Now()
	if _, err := s.SchemaFingerprint(ctx, db); err != nil {
		return Speed{}, err
	}
	conns, leave, err := s.enter(ctx, db, 2)
	if err != nil {
		return Speed{}, err
	}
	defer leave()
	pieces, total, err := samplePieces(ctx, conns[0])
	if err != nil {
		return Speed{}, fmt.Errorf("sample the rows of %q: %w", db, err)
	}
	speed := Speed{Fixed: time.Since(started), Total: total}
	started = time.Now()
	var next, bytes atomic.Int64
	r := rowReader{server: s}
	g, gctx := errgroup.WithContext(ctx)
	for _, conn := range conns {
		g.Go(func() error {
			// One page can lead to any number of big values.
			if _, err := conn.Exec(gctx, fmt.Sprintf("BEGIN READ ONLY; SET LOCAL statement_timeout = %d", (4*sampleTime).Milliseconds())); err != nil {
				return err
			}
			for time.Since(started) < sampleTime {
				i := int(next.Add(1)) - 1
				if i >= len(pieces) {
					return nil
				}
				_, err := subtotalOf(gctx, conn, r.hashes(pieces[i].stretch))
				if code(err) == "57014" && gctx.Err() == nil {
					return errors.New("rows are too big for a sample")
				}
				if err != nil {
					return fmt.Errorf("%s: %w", pieces[i].rel, err)
				}
				bytes.Add(pieces[i].bytes)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return Speed{}, fmt.Errorf("sample the rows of %q: %w", db, err)
	}
	speed.Bytes, speed.Took = bytes.Load(), time.Since(started)
	return speed, nil
}

type samplePiece struct {
	stretch
	bytes int64 // with what is stored outside of the table
}

// samplePieces cuts all that a fingerprint reads, in the order in which a sample takes it.
func samplePieces(ctx context.Context, conn *pgx.Conn) (pieces []samplePiece, total int64, err error) {
	relations, err := readRelations(ctx, conn, "r,m")
	if err != nil {
		return nil, 0, err
	}
	sizes := map[uint32]int64{}
	var oids []uint32
	for _, rel := range relations {
		oids = append(oids, rel.oid)
	}
	rows, err := conn.Query(ctx, "SELECT c, coalesce(pg_table_size(c), 0) FROM unnest($1::oid[]) c", oids)
	if err != nil {
		return nil, 0, err
	}
	var oid uint32
	var bytes int64
	if _, err := pgx.ForEachRow(rows, []any{&oid, &bytes}, func() error {
		sizes[oid] = bytes
		return nil
	}); err != nil {
		return nil, 0, err
	}
	for _, rel := range relations {
		size := sizes[rel.oid]
		if _, known := unread(rel); known || rel.pages == 0 {
			continue
		}
		total += size
		pages := max(1, sampleBytes*rel.pages/max(size, 1))
		n := (rel.pages + pages - 1) / pages
		for i := range n {
			p := samplePiece{stretch{rel: rel, from: i * pages, to: (i + 1) * pages, of: int(n)}, size / n}
			if i == n-1 {
				p.to = 0
			}
			pieces = append(pieces, p)
		}
	}
	order := rand.New(rand.NewPCG(1, 1)) // the same sample at every call
	order.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	return pieces, total, nil
}

// CloneSpeed times clones of two throwaway databases: an empty one, and one of bytes, or of 64 MiB where that is less.
func (s *Server) CloneSpeed(ctx context.Context, bytes int64) (speed Speed, err error) {
	from, to := CopyName("speed", "probe", "from"), CopyName("speed", "probe", "to")
	conn, err := s.maintenance(ctx, from, to)
	if err != nil {
		return Speed{}, err
	}
	defer closeConn(conn) // and with it the lock
	fail := func(err error) (Speed, error) { return Speed{}, fmt.Errorf("time a clone: %w", err) }
	if _, err := conn.Exec(ctx, fmt.Sprintf("SELECT pg_advisory_lock(%d)", probeLock)); err != nil {
		return fail(err)
	}
	drop := func(ctx context.Context) error {
		return errors.Join(s.drop(ctx, conn, from), s.drop(ctx, conn, to))
	}
	if err := drop(ctx); err != nil { // what a killed predecessor left
		return fail(err)
	}
	defer func() {
		if conn.IsClosed() {
			return // the next one removes them
		}
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		err = errors.Join(err, drop(clean))
	}()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+ident(from)+" WITH TEMPLATE template0"); err != nil {
		return fail(err)
	}
	props, err := readProperties(ctx, conn, from)
	if err != nil {
		return fail(err)
	}
	clone := func() (int64, time.Duration, error) {
		size, err := databaseSize(ctx, conn, from)
		if err != nil {
			return 0, 0, err
		}
		started := time.Now()
		if _, err := s.createFrom(ctx, conn, from, to, props); err != nil {
			return 0, 0, err
		}
		took := time.Since(started)
		return size, took, s.drop(ctx, conn, to)
	}
	empty, first, err := clone()
	if err != nil {
		return fail(err)
	}
	filler := min(bytes, fillerBytes)
	if filler <= empty {
		return Speed{Fixed: first}, nil
	}
	if err := s.fill(ctx, from, filler); err != nil {
		return fail(err)
	}
	if _, _, err := clone(); err != nil { // its checkpoint also writes the filler
		return fail(err)
	}
	size, second, err := clone()
	if err != nil {
		return fail(err)
	}
	if second <= first { // flat, as by reflinks, or too close to tell
		return Speed{Fixed: first}, nil
	}
	speed = Speed{Bytes: size - empty, Took: second - first}
	speed.Fixed = max(0, first-speed.Of(empty))
	return speed, nil
}

// fill makes a table of about so many bytes in a throwaway database.
func (s *Server) fill(ctx context.Context, db string, bytes int64) error {
	conn, err := s.connect(ctx, db)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	const row = 2000
	_, err = conn.Exec(ctx, fmt.Sprintf("CREATE UNLOGGED TABLE public.filler AS SELECT repeat(md5(i::text), 60) FROM generate_series(1, %d) i", bytes/row))
	return err
}
