package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const buckets = 4096

type bucketSum struct {
	count int64
	xor   int64
	sum   string
}

// compare counts into t what the rows of queries[0] have over queries[1]. Each query yields k, the hash by which rows
// belong together, and h, the hash of the row.
func (d *differ) compare(ctx context.Context, queries [2]string, keyed bool, t *TableDifference) error {
	var sums [2]map[int32]bucketSum
	for side, q := range queries {
		missing, err := d.guarded(ctx, side, func() (err error) {
			sums[side], err = readBuckets(ctx, d.conns[side], q)
			return err
		})
		if err != nil {
			return err
		}
		if missing != "" {
			t.Missing = missing
			return nil
		}
	}
	var differing []int32
	for b := range int32(buckets) {
		if sums[0][b] != sums[1][b] {
			differing = append(differing, b)
		}
	}
	if len(differing) == 0 {
		return nil
	}
	var streams [2]*hashStream
	for side, q := range queries {
		rows, err := d.conns[side].Query(ctx, "SELECT k, h, count(*) FROM ("+q+") q WHERE "+bucket+" = ANY ($1) GROUP BY k, h ORDER BY k, h", pgx.QueryExecModeExec, differing)
		if err != nil {
			return err
		}
		defer rows.Close()
		streams[side] = &hashStream{rows: rows}
	}
	return merge(streams[0], streams[1], keyed, t)
}

const bucket = "(k & 4095)::int"

func readBuckets(ctx context.Context, conn *pgx.Conn, query string) (map[int32]bucketSum, error) {
	rows, err := conn.Query(ctx, "SELECT "+bucket+", count(*), bit_xor(h), sum(h)::text FROM ("+query+") q GROUP BY 1", pgx.QueryExecModeExec)
	if err != nil {
		return nil, err
	}
	sums := map[int32]bucketSum{}
	var b int32
	var s bucketSum
	_, err = pgx.ForEachRow(rows, []any{&b, &s.count, &s.xor, &s.sum}, func() error {
		sums[b] = s
		return nil
	})
	return sums, err
}

// hashCount is the hash of n equal rows.
type hashCount struct{ h, n int64 }

// hashStream yields, key by key, the hashes of the rows of one key in order.
type hashStream struct {
	rows    pgx.Rows
	pending bool
	k       int64
	one     hashCount
}

func (s *hashStream) next() (key int64, hashes []hashCount, ok bool, err error) {
	if !s.pending && !s.advance() {
		return 0, nil, false, s.rows.Err()
	}
	key = s.k
	for s.pending && s.k == key {
		hashes = append(hashes, s.one)
		s.pending = false
		s.advance()
	}
	return key, hashes, true, s.rows.Err()
}

func (s *hashStream) advance() bool {
	// A failed Scan closes the rows and is their Err.
	s.pending = s.rows.Next() && s.rows.Scan(&s.k, &s.one.h, &s.one.n) == nil
	return s.pending
}

// merge walks both streams, which are ordered by key.
func merge(live, base *hashStream, keyed bool, t *TableDifference) error {
	lk, lh, lok, err := live.next()
	if err != nil {
		return err
	}
	bk, bh, bok, err := base.next()
	if err != nil {
		return err
	}
	for lok || bok {
		takeLive := lok && (!bok || lk <= bk)
		takeBase := bok && (!lok || bk <= lk)
		var l, b []hashCount
		if takeLive {
			l = lh
		}
		if takeBase {
			b = bh
		}
		added, removed := onlyIn(l, b), onlyIn(b, l)
		if keyed {
			changed := min(added, removed)
			t.Changed += changed
			added, removed = added-changed, removed-changed
		}
		t.Added += added
		t.Removed += removed
		if takeLive {
			if lk, lh, lok, err = live.next(); err != nil {
				return err
			}
		}
		if takeBase {
			if bk, bh, bok, err = base.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyIn counts the rows of a that b has not. Both are ordered by hash.
func onlyIn(a, b []hashCount) int64 {
	var n int64
	i := 0
	for _, v := range a {
		for i < len(b) && b[i].h < v.h {
			i++
		}
		if i < len(b) && b[i].h == v.h {
			n += max(v.n-b[i].n, 0)
			continue
		}
		n += v.n
	}
	return n
}

// reason is the server's message without its code.
func reason(err error) string {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe.Message
	}
	return err.Error()
}
