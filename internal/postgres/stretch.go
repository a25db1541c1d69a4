package postgres

import (
	"context"
	"fmt"
	"math/big"

	"github.com/jackc/pgx/v5"
)

// stretchPages is how much of a table one query reads: 32 MiB with the ordinary page size. Small enough for all sessions to
// end at about the same time, and big enough for what a query costs besides.
const stretchPages = 4096

// stretch is a relation, or those of its rows that lie in some of its pages.
type stretch struct {
	rel      *relation
	from, to int64 // pages; to is not part of it, and 0 is the end
	of       int   // stretches of the relation
}

// stretches cuts big relations, so that several sessions can read one. A page range is read without looking at the rest since
// PostgreSQL 14.
func stretches(relations []*relation, major int) []stretch {
	var list []stretch
	for _, rel := range relations {
		n := int64(1)
		if major >= 14 && (rel.kind == "r" || rel.kind == "m") {
			n = max(1, rel.pages/stretchPages)
		}
		for i := range n {
			p := stretch{rel: rel, from: i * stretchPages, to: (i + 1) * stretchPages, of: int(n)}
			if i == n-1 {
				p.to = 0
			}
			list = append(list, p)
		}
	}
	return list
}

func (p stretch) where() string {
	switch {
	case p.of == 1:
		return ""
	case p.to == 0:
		return fmt.Sprintf(" WHERE t.ctid >= '(%d,0)'::tid", p.from)
	}
	return fmt.Sprintf(" WHERE t.ctid >= '(%d,0)'::tid AND t.ctid < '(%d,0)'::tid", p.from, p.to)
}

// subtotal is the number of some rows, with the XOR and the sum of their hashes.
type subtotal struct {
	count   int64
	xor     uint64
	sum     big.Int
	missing string // why they were not read; then the rest is nothing
}

func (s *subtotal) add(t subtotal) {
	s.count += t.count
	s.xor ^= t.xor
	s.sum.Add(&s.sum, &t.sum)
	if t.missing != "" {
		s.missing = t.missing
	}
}

func (s *subtotal) rows(method string) TableRows {
	if s.missing != "" {
		return TableRows{Missing: s.missing}
	}
	return TableRows{Count: s.count, Hash: fmt.Sprintf("%016x/%s", s.xor, s.sum.String()), Method: method}
}

// subtotalOf reads the rows of hashes, a query with the one column h, under a savepoint. A privilege that is lacking, as
// under row-level security, makes them missing.
func subtotalOf(ctx context.Context, conn *pgx.Conn, hashes string) (subtotal, error) {
	var t subtotal
	if _, err := conn.Exec(ctx, "SAVEPOINT one"); err != nil {
		return t, err
	}
	var xor int64
	var sum string
	// OFFSET 0 keeps the hash from being computed once for each aggregate.
	err := conn.QueryRow(ctx, "SELECT count(*), coalesce(bit_xor(h), 0), coalesce(sum(h), 0)::text FROM ("+hashes+" OFFSET 0) q", pgx.QueryExecModeExec).Scan(&t.count, &xor, &sum)
	if code(err) == "42501" {
		_, rollbackErr := conn.Exec(ctx, "ROLLBACK TO one")
		return subtotal{missing: reason(err)}, rollbackErr
	}
	if err != nil {
		return t, err
	}
	t.xor = uint64(xor)
	if _, ok := t.sum.SetString(sum, 10); !ok {
		return t, fmt.Errorf("sum of hashes: %q is not a number", sum)
	}
	_, err = conn.Exec(ctx, "RELEASE one")
	return t, err
}
