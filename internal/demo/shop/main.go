// Command shop is the sample system: one static program that plays every service of a small web shop by its first
// argument. Its release and its fault are baked into its image, its configuration comes from the environment.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/org/promote-action/internal/demo/fault"
)

const usage = "usage: shop web|api|orders|worker|migrate|seed [--bytes N]|healthcheck URL"

func main() { os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

// run plays a role until it ends or the process is told to stop, and returns the exit status.
func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintln(stderr, usage)
		return 2
	}
	role := args[0]
	if role == "healthcheck" {
		return healthcheck(args[1:], stderr)
	}
	cfg, err := loadConfig(role, getenv)
	log := newLog(stdout, cfg)
	if err != nil {
		log.Error("configuration", "error", err.Error())
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case cfg.has(fault.Crash), role == "api" && (cfg.has(fault.AppFailsAfterMigration) || cfg.has(fault.MigrationDeletes)):
		log.Error("cannot start", "error", "template catalogue.tmpl: function \"price\" not defined")
		return 1
	case cfg.has(fault.Dies):
		time.AfterFunc(5*time.Second, func() {
			log.Error("panic", "error", "runtime error: index out of range [3] with length 3")
			os.Exit(2)
		})
	case cfg.has(fault.IgnoresSIGTERM):
		ctx = context.WithoutCancel(ctx)
		signal.Ignore(syscall.SIGTERM, os.Interrupt)
	}
	if err := play(ctx, cfg, args[1:], log); err != nil {
		log.Error("failed", "error", err.Error())
		return 1
	}
	return 0
}

// play runs the role to its end.
func play(ctx context.Context, cfg config, args []string, log *slog.Logger) error {
	if cfg.Role == "web" {
		return serve(ctx, newWeb(cfg).routes(), cfg, log)
	}
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	switch cfg.Role {
	case "api":
		if cfg.MigrateOnStart {
			if err := migrate(ctx, db, cfg, log); err != nil {
				return err
			}
		}
		return serve(ctx, newAPI(cfg, db).routes(), cfg, log)
	case "orders":
		return serve(ctx, newOrders(cfg, db).routes(), cfg, log)
	case "worker":
		w := newWorker(cfg, db, log)
		done := make(chan struct{})
		go func() { defer close(done); w.run(ctx) }()
		err := serve(ctx, w.routes(), cfg, log)
		<-done
		return err
	case "migrate":
		return migrate(ctx, db, cfg, log)
	default: // seed; loadConfig knows no other
		return seed(ctx, db, args, log)
	}
}

func newLog(w io.Writer, cfg config) *slog.Logger {
	level := slog.LevelInfo
	if cfg.Debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})).With("service", cfg.Role, "release", cfg.version())
}
