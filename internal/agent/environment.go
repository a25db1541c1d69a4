package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/postgres"
)

// environment is one project as the agent sees it from inside its networks.
type environment struct {
	spec   Spec
	engine *compose.Engine
	self   string
}

func (s *Server) environment(spec Spec) *environment {
	return &environment{spec: spec, engine: s.engine, self: s.self}
}

func engineEndpoint() engine.Endpoint { return engine.Endpoint{Host: "unix:///var/run/docker.sock"} }

// ErrNotRunning means that the project has no containers.
var ErrNotRunning = errors.New("is not running")

// containers are the project's, without single runs of a service.
func (e *environment) containers(ctx context.Context) ([]engine.Container, error) {
	all, err := e.engine.Containers(ctx, e.spec.Project)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(c engine.Container) bool { return c.OneOff })
	if len(all) == 0 {
		return nil, &Error{
			Message: fmt.Sprintf("environment %s %v: the engine has no container of the Compose project %s", e.spec.Environment, ErrNotRunning, e.spec.Project),
			Hint:    "start it, or correct compose.project in the configuration (docker compose ls --all)",
		}
	}
	return all, nil
}

// join attaches the agent to every network that the containers are in.
func (e *environment) join(ctx context.Context, all []engine.Container) error {
	own, err := e.engine.Container(ctx, e.self)
	if err != nil {
		return fmt.Errorf("the agent's own container: %w", err)
	}
	for _, name := range networksOf(all) {
		if _, joined := own.Addresses[name]; joined {
			continue
		}
		if err := e.engine.ConnectNetwork(ctx, name, e.self); err != nil {
			return fmt.Errorf("join network %s: %w", name, err)
		}
	}
	return nil
}

// part detaches the agent, so that it is in nobody's way when networks are made anew.
func (e *environment) part(ctx context.Context) error {
	own, err := e.engine.Container(ctx, e.self)
	if err != nil {
		return err
	}
	var errs []error
	for name := range own.Addresses {
		if name != "bridge" {
			errs = append(errs, e.engine.DisconnectNetwork(ctx, name, e.self))
		}
	}
	return errors.Join(errs...)
}

func networksOf(all []engine.Container) []string {
	names := map[string]bool{}
	for _, c := range all {
		if c.State != "running" {
			continue
		}
		for name := range c.Addresses {
			if name != "bridge" && name != "host" && name != "none" {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// address is where a container is reached from the agent; empty when it has no network of its own.
func address(c engine.Container) string {
	for _, name := range slices.Sorted(maps.Keys(c.Addresses)) {
		if ip := c.Addresses[name]; ip != "" {
			return ip
		}
	}
	return ""
}

// databaseServer is a PostgreSQL server of the environment and how it is reached.
type databaseServer struct {
	name      string
	service   string
	container engine.Container // empty for an external server
	conn      postgres.Conn
	only      []string // databases; empty: all
	fallback  string   // the server's default database

	own  *postgres.Conn // as the container's own user, when the configuration names another
	note string         // what a person should know of how it is reached
}

// servers finds the PostgreSQL servers: those of the configuration, or every running container that is one.
func (e *environment) servers(ctx context.Context, all []engine.Container) ([]databaseServer, error) {
	var out []databaseServer
	if len(e.spec.Databases) == 0 {
		for _, c := range all {
			if c.State != "running" || !IsPostgres(c.Image, c.Env, ports(c)) || slices.ContainsFunc(out, func(s databaseServer) bool { return s.service == c.Service }) {
				continue
			}
			s, err := e.server(ctx, c, DatabaseSpec{Name: c.Service, Service: c.Service})
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
		return out, nil
	}
	for _, d := range e.spec.Databases {
		if d.URL != "" {
			s, err := external(d)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
			continue
		}
		at := slices.IndexFunc(all, func(c engine.Container) bool { return c.Service == d.Service && c.State == "running" })
		if at < 0 {
			return nil, &Error{Message: fmt.Sprintf("database %s: service %s does not run in %s", d.Name, d.Service, e.spec.Environment), Hint: "start it, or correct databases." + d.Name + ".service"}
		}
		// Several databases of one server are one server with several names in `only`.
		if same := slices.IndexFunc(out, func(s databaseServer) bool { return s.service == d.Service && d.Service != "" }); same >= 0 && d.Database != "" {
			out[same].only = append(out[same].only, d.Database)
			continue
		}
		s, err := e.server(ctx, all[at], d)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	for i := range out {
		out[i].elevate(ctx)
	}
	return out, nil
}

func (e *environment) server(ctx context.Context, c engine.Container, d DatabaseSpec) (databaseServer, error) {
	user := cmp.Or(d.User, c.Env["POSTGRES_USER"], c.Env["POSTGRESQL_USERNAME"], "postgres")
	password := d.Password
	if password == "" {
		password = cmp.Or(c.Env["POSTGRES_PASSWORD"], c.Env["POSTGRESQL_PASSWORD"])
	}
	if file := c.Env["POSTGRES_USER_FILE"]; d.User == "" && file != "" {
		text, err := e.file(ctx, c, file)
		if err != nil {
			return databaseServer{}, err
		}
		user = text
	}
	if file := c.Env["POSTGRES_PASSWORD_FILE"]; password == "" && file != "" {
		text, err := e.file(ctx, c, file)
		if err != nil {
			return databaseServer{}, err
		}
		password = text
	}
	fallback := cmp.Or(c.Env["POSTGRES_DB"], c.Env["POSTGRESQL_DATABASE"])
	if file := c.Env["POSTGRES_DB_FILE"]; fallback == "" && file != "" {
		text, err := e.file(ctx, c, file)
		if err != nil {
			return databaseServer{}, err
		}
		fallback = text
	}
	port := 5432
	if p, err := strconv.Atoi(c.Env["PGPORT"]); err == nil {
		port = p
	}
	s := databaseServer{
		name: d.Name, service: c.Service, container: c,
		conn:     postgres.Conn{Host: address(c), Port: port, User: user, Password: password},
		fallback: cmp.Or(fallback, user),
	}
	if d.Database != "" {
		s.only = []string{d.Database}
	}
	if own := cmp.Or(c.Env["POSTGRES_USER"], "postgres"); d.User != "" && d.User != own && c.Env["POSTGRES_PASSWORD"] != "" {
		s.own = &postgres.Conn{Host: s.conn.Host, Port: port, User: own, Password: c.Env["POSTGRES_PASSWORD"]}
	}
	if s.conn.Host == "" {
		return s, &Error{Message: fmt.Sprintf("database server %s has no network that can be joined", c.Service), Hint: "give it a network in the Compose file, or name its URL under databases." + d.Name + ".url"}
	}
	return s, nil
}

// elevate changes to the container's own user where the configured one lacks what a rollback needs.
func (s *databaseServer) elevate(ctx context.Context) {
	if s.own == nil {
		return
	}
	pg, err := s.open(ctx)
	if err != nil {
		return
	}
	all, err := pg.Databases(ctx)
	if err != nil {
		return
	}
	for _, db := range s.wanted(all) {
		rights, err := pg.Rights(ctx, db.Name)
		if err != nil || len(rights.Missing) == 0 {
			continue
		}
		own := *s
		own.conn = *s.own
		if _, err := own.open(ctx); err != nil {
			continue
		}
		s.note = fmt.Sprintf("%s may not %s: the container's own user %s is used instead", s.conn.User, rights.Missing[0].Right, s.own.User)
		s.conn = *s.own
		return
	}
}

func external(d DatabaseSpec) (databaseServer, error) {
	u, err := url.Parse(d.URL)
	if err != nil || u.Hostname() == "" {
		return databaseServer{}, &Error{Message: fmt.Sprintf("database %s: its URL cannot be read: expected postgres://user:password@host:port/database", d.Name)}
	}
	port := 5432
	if u.Port() != "" {
		port, _ = strconv.Atoi(u.Port())
	}
	password, _ := u.User.Password()
	s := databaseServer{name: d.Name, conn: postgres.Conn{Host: u.Hostname(), Port: port, User: u.User.Username(), Password: password, TLSMode: u.Query().Get("sslmode")}}
	if db := strings.Trim(u.Path, "/"); db != "" {
		s.only, s.fallback, s.conn.Maintenance = []string{db}, db, ""
	}
	return s, nil
}

// file reads a small file of a container, such as a mounted secret.
func (e *environment) file(ctx context.Context, c engine.Container, path string) (string, error) {
	var out limited
	if _, err := e.engine.CopyFile(ctx, c.ID, path, &out); err != nil {
		return "", fmt.Errorf("read %s in %s: %w", path, c.Name, err)
	}
	return strings.TrimRight(out.String(), "\r\n"), nil
}

func ports(c engine.Container) []int {
	var out []int
	for _, p := range c.Exposed {
		if p.Protocol == "tcp" || p.Protocol == "" {
			out = append(out, p.Port)
		}
	}
	return out
}

// IsPostgres reports whether a container is a PostgreSQL server, by its image's name or by what such images set.
func IsPostgres(image string, env map[string]string, ports []int) bool {
	base := imageName(image)
	for _, sidecar := range []string{"exporter", "backup", "pgadmin", "pgbouncer", "pgweb", "postgrest", "pgpool"} {
		if strings.Contains(base, sidecar) {
			return false
		}
	}
	for _, name := range []string{"postgres", "postgis", "timescaledb", "pgvector", "pgvecto-rs", "supabase/postgres"} {
		if strings.Contains(base, name) {
			return true
		}
	}
	server := env["PG_MAJOR"] != "" || env["PGDATA"] != "" || env["PG_VERSION"] != ""
	return server && (slices.Contains(ports, 5432) || env["POSTGRES_PASSWORD"] != "" || env["POSTGRES_DB"] != "")
}

// IsDatastore reports whether an image is that of a known program that keeps state of its own, PostgreSQL included.
func IsDatastore(image string, env map[string]string, ports []int) bool {
	if IsPostgres(image, env, ports) {
		return true
	}
	base := imageName(image)
	last := base[strings.LastIndex(base, "/")+1:]
	for _, name := range []string{
		"mysql", "mariadb", "mongo", "redis", "valkey", "keydb", "dragonfly", "rabbitmq", "elasticsearch", "opensearch", "kafka", "zookeeper", "nats", "minio",
		"clickhouse", "cassandra", "influxdb", "etcd", "consul", "vault", "couchdb", "neo4j", "meilisearch", "typesense", "qdrant", "solr", "memcached",
	} {
		if last == name || strings.HasPrefix(last, name+"-server") || last == name+"db" || strings.HasSuffix(base, name+"/"+name) {
			return true
		}
	}
	return false
}

// imageName is an image reference without registry tag and digest, in lower case.
func imageName(ref string) string {
	ref, _, _ = strings.Cut(strings.ToLower(ref), "@")
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		ref = ref[:i]
	}
	return ref
}

// open connects to a server; databases need not be named.
func (s databaseServer) open(ctx context.Context) (*postgres.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pg, err := postgres.Open(ctx, s.conn)
	if errors.Is(err, postgres.ErrPassword) {
		return nil, &shutOutError{server: s.name, user: s.conn.User, err: err}
	}
	return pg, err
}

// wanted are the databases of a server that belong to the environment.
func (s databaseServer) wanted(all []postgres.Database) []postgres.Database {
	var out []postgres.Database
	for _, db := range all {
		switch {
		case len(s.only) > 0:
			if slices.Contains(s.only, db.Name) {
				out = append(out, db)
			}
		case db.IsTemplate || postgres.IsCopy(db.Name):
		case db.Name == "postgres" && s.fallback != "postgres":
		default:
			out = append(out, db)
		}
	}
	return out
}
