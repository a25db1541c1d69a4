package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/org/promote-action/internal/demo/fault"
)

// openDatabase makes a pool without connecting yet: a service may be up before its database is.
func openDatabase(ctx context.Context, cfg config) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(cfg.Database)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	c.ConnConfig.RuntimeParams["application_name"] = "shop-" + cfg.Role
	c.ConnConfig.ConnectTimeout = 3 * time.Second
	c.MaxConns = 8
	if cfg.has(fault.NoDatabase) {
		c.ConnConfig.Host, c.ConnConfig.Port, c.ConnConfig.Fallbacks = "127.0.0.1", 1, nil
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// healthy is the check of a service that needs the database with the schema of its release.
func healthy(db *pgxpool.Pool, cfg config) func(context.Context) error {
	return func(ctx context.Context) error {
		var version int
		if err := db.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM schema_migrations").Scan(&version); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		if want := needs(cfg); version < want {
			return fmt.Errorf("database: schema version %d, release %d needs %d", version, cfg.Release, want)
		}
		return nil
	}
}
