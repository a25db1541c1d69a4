package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/postgres"
)

// copyServer starts an empty server of the same image in the twin and brings the roles and the databases to it. The live
// server is only read from, by its own pg_dump, in one snapshot for each database.
func (r *rehearser) copyServer(ctx context.Context, server *rehearsed) error {
	service := server.live.found.service
	r.tell("start a second " + service)
	record := r.record.Postgres(service, serverSettings()...)
	if len(record.Containers) == 0 {
		return fmt.Errorf("service %s cannot be made a second time", service)
	}
	if err := r.env.engine.Restore(ctx, record, compose.RestoreOptions{Services: []string{service}}, nil); err != nil {
		return err
	}
	if err := r.env.engine.WaitHealthy(ctx, r.twin.Project, record.WantsOf([]string{service}, serverStart), nil); err != nil {
		return err
	}
	c, err := r.container(ctx, service)
	if err != nil {
		return err
	}
	if err := r.env.engine.ConnectNetwork(ctx, r.twin.Network(), r.env.self); err != nil {
		return err
	}
	found, err := r.twinEnvironment().server(ctx, c, DatabaseSpec{Name: server.live.found.name, Service: service})
	if err != nil {
		return err
	}
	pg, err := openPatiently(ctx, found)
	if err != nil {
		return err
	}
	server.copy = &database{found: found, pg: pg, tools: &toolbox{env: r.env, found: found, major: pg.Major()}, point: r.point()}
	if err := r.copyRoles(ctx, server); err != nil {
		return err
	}
	for _, db := range server.databases {
		r.tell(fmt.Sprintf("copy database %s", db.name))
		if err := r.copyDatabase(ctx, server, db); err != nil {
			return fmt.Errorf("database %s: %w", db.name, err)
		}
	}
	return nil
}

// serverStart is how long a second server may take until it answers: its data folder is made first.
const serverStart = 5 * time.Minute

// serverSettings make a server tell every error of a client and save its effort: nobody needs it after a crash.
func serverSettings() []string {
	return []string{
		"fsync=off", "synchronous_commit=off", "full_page_writes=off", "archive_mode=off", "max_wal_size=256MB", "logging_collector=off", "log_destination=stderr",
		"log_min_messages=error", "log_min_error_statement=panic", "log_error_verbosity=terse", "lc_messages=C", "log_line_prefix=" + errorPrefix,
	}
}

// openPatiently connects to a server that may still be at its first start.
func openPatiently(ctx context.Context, found databaseServer) (*postgres.Server, error) {
	for deadline := time.Now().Add(2 * time.Minute); ; {
		pg, err := found.open(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(deadline) {
			return pg, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// copyRoles brings the roles with their passwords, so that both releases can log in as they do. Parameters of the server stay:
// they may name files that are not there.
func (r *rehearser) copyRoles(ctx context.Context, server *rehearsed) error {
	globals, err := server.live.pg.ReadGlobals(ctx)
	if err != nil {
		return err
	}
	own, err := server.copy.pg.ReadGlobals(ctx)
	if err != nil {
		return err
	}
	for name, role := range own.Roles { // the server's own user is never dropped
		if _, known := globals.Roles[name]; !known {
			globals.Roles[name] = role
		}
	}
	globals.System = own.System
	if !globals.Passwords {
		for name, role := range globals.Roles {
			if _, there := own.Roles[name]; role.Login && !there {
				r.doubt("the password of role %s could not be read, so that who logs in with it could not be rehearsed", name)
			}
		}
	}
	if err := server.copy.pg.RestoreGlobals(ctx, globals, nil); err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	return nil
}

func (r *rehearser) copyDatabase(ctx context.Context, server *rehearsed, db *rehearsedDatabase) error {
	started := time.Now()
	const id = "rehearsal"
	file := "dumps/" + fmt.Sprintf("%x", db.name)
	if _, err := server.live.Dump(ctx, db.name, file, func(int64, int64) {}); err != nil {
		return err
	}
	into, aside := postgres.CopyName(db.name, "restore", id), postgres.CopyName(db.name, "failed", id)
	if err := server.copy.Load(ctx, file, into, id, func(int64, int64) {}); err != nil {
		return err
	}
	if err := server.copy.Swap(ctx, db.name, aside, into); err != nil {
		return err
	}
	if err := server.copy.Drop(ctx, aside); err != nil {
		return err
	}
	db.data.CopySeconds = time.Since(started).Seconds()
	statements, err := server.live.pg.Statements(ctx, db.name)
	if err != nil {
		r.tell("what the old release is known to send could not be read: " + oneLine(err.Error()))
	}
	db.witness, err = server.copy.pg.Witness(ctx, db.name, statements)
	return err
}
