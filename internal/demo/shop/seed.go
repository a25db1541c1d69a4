package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Bytes that one row takes in the database, with its share of indexes.
const (
	documentBytes = 2100
	orderBytes    = 160
)

// seed fills the database of a release with about --bytes bytes of made-up data: a thirtieth in orders, all processed, the
// rest in documents. The server makes the rows; the same size gives the same rows, but for their times.
func seed(ctx context.Context, db *pgxpool.Pool, args []string, log *slog.Logger) error {
	fs := flag.NewFlagSet("seed", flag.ContinueOnError)
	size := fs.Int64("bytes", 4<<20, "size of the data in bytes")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *size < 0 {
		return fmt.Errorf("seed: %d bytes; a positive number is needed", *size)
	}
	orders, documents := *size/30/orderBytes, (*size-*size/30)/documentBytes
	// Twelve different digests a document: text that compresses about two to one, as real text does, and one page for
	// every four rows, below the size from which PostgreSQL would compress a value.
	var body []string
	for i := range 12 {
		body = append(body, fmt.Sprintf("encode(sha512((i || '-%d')::bytea), 'hex')", i))
	}
	for _, s := range []struct {
		name, sql string
		rows      int64
	}{
		{"products", `INSERT INTO products (name, price_cents) SELECT 'product ' || i, 100 + i * 7 % 9900 FROM generate_series(1, $1::bigint) i`, min(200, orders)},
		{"orders", `INSERT INTO orders (product_id, customer, quantity, created_at, processed_at)
			SELECT 1 + i % (SELECT count(*) FROM products), 'customer ' || i % 5000, 1 + i % 5, now() - i * interval '1 second', now()
			FROM generate_series(1, $1::bigint) i`, orders},
		{"documents", `INSERT INTO documents (title, properties, body)
			SELECT 'document ' || i, jsonb_build_object('language', (ARRAY['en','de','fr'])[1 + i % 3], 'pages', i % 90), ` + strings.Join(body, " || ") + `
			FROM generate_series(1, $1::bigint) i`, documents},
	} {
		if _, err := db.Exec(ctx, s.sql, s.rows); err != nil {
			return fmt.Errorf("seed: %s: %w", s.name, err)
		}
		log.Info("seeded", "table", s.name, "rows", s.rows)
	}
	_, err := db.Exec(ctx, "ANALYZE")
	return err
}
