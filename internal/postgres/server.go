package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Info describes a server.
type Info struct {
	Version       string    `json:"version"` // such as "15.18 (Debian 15.18-0+deb12u1)"
	Number        int       `json:"number"`  // such as 150018
	Started       time.Time `json:"started"`
	DataDirectory string    `json:"data_directory,omitempty"` // empty when the role may not see it
	InRecovery    bool      `json:"in_recovery"`
	User          string    `json:"user"` // the role that the session runs as
	Superuser     bool      `json:"superuser"`
	MaxSessions   int       `json:"max_sessions"`
	Sessions      int       `json:"sessions"` // client sessions in all databases, this one included
}

// Uptime is how long the server has run at now.
func (i Info) Uptime(now time.Time) time.Duration { return now.Sub(i.Started) }

func versionNumber(ctx context.Context, conn *pgx.Conn) (int, error) {
	var n int
	err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&n)
	return n, err
}

// Info reads the server's description.
func (s *Server) Info(ctx context.Context) (Info, error) {
	conn, err := s.maintenance(ctx)
	if err != nil {
		return Info{}, err
	}
	defer closeConn(conn)
	var i Info
	err = conn.QueryRow(ctx, `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_postmaster_start_time(),
			coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), ''), pg_is_in_recovery(),
			current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), current_setting('max_connections')::int,
			(SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND datid IS NOT NULL)`).
		Scan(&i.Version, &i.Number, &i.Started, &i.DataDirectory, &i.InRecovery, &i.User, &i.Superuser, &i.MaxSessions, &i.Sessions)
	if err != nil {
		return Info{}, fmt.Errorf("read the server's description: %w", err)
	}
	return i, nil
}
