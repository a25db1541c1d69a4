package check

import (
	"context"
	"time"
)

// Subject is the environment as the tests see it from inside its networks.
type Subject struct {
	Environment string
	Services    []Service
	Databases   []Database
	Custom      []Custom
	Defaults    Defaults
	Inspector   Inspector `json:"-"` // nil: the containers are as given and are not read again
	Commander   Commander `json:"-"` // nil where commands of the project can't run
}

// Defaults hold for every service that does not say otherwise.
type Defaults struct {
	Timeout   time.Duration // of one test; 0 means 30 s
	Settled   time.Duration // a container that was restarted counts as stable after this long; 0 means 10 s
	P95       time.Duration // 0: reported only
	ErrorRate float64       // 0 to 1, the share of requests that may fail
	Version   string        // of this program, for the User-Agent header
}

// Inspector reads the containers of one service as they are now. It is called from several tests at once.
type Inspector interface {
	Containers(ctx context.Context, service string) ([]Container, error)
}

// Commander runs a command of the project where its files are. A command that ran has a nil error whatever its code is;
// output is the end of both its streams.
type Commander interface {
	Command(ctx context.Context, c Command) (code int, output string, err error)
}

// Querier reads one database, from several tests at once. Query runs in a read-only transaction and returns every
// column as PostgreSQL's text, with an empty string for NULL.
type Querier interface {
	Ping(ctx context.Context) error
	Query(ctx context.Context, sql string) ([][]string, error)
}

// Service is one entry of the stack with what is expected of it.
type Service struct {
	Name       string
	Kind       string // frontend, api, worker, database, …
	Critical   bool
	OneShot    bool // runs to its end with code 0
	Replicas   int  // wanted; 0 means at least one
	Containers []Container
	WantImage  string   // image id of every replica; empty: any
	Ports      []int    // exposed by its image or its model
	Smoke      []Port   // ports that are tried
	DependsOn  []string // services
	Host       string   // Host header; empty means Name
	Health     Health
	Version    Version
	Paths      []string      // further paths that have to answer with 200 to 399
	Timeout    time.Duration // of one test
	P95        time.Duration // 0 means the default's
	ErrorRate  float64       // 0 to 1; 0 means the default's
}

// Container is one replica.
type Container struct {
	ID             string
	Name           string
	IP             string // in a network of the environment
	State          string // running, exited, restarting, paused, created, dead
	Health         string // healthy, unhealthy, starting
	HasHealthcheck bool
	ExitCode       int
	Restarts       int
	StartedAt      time.Time
	ImageID        string
	HealthLog      []string // output of the last probes, oldest first
}

// Health is how a service is asked whether it is well, beside its Docker health check.
type Health struct {
	Path   string // HTTP
	Port   int    // 0 means the only exposed one
	Status int    // 0 means 200 to 399
	TCP    bool   // a connection is enough
}

func (h Health) configured() bool { return h.Path != "" || h.TCP }

// Version is where a service tells which release it is.
type Version struct {
	Path  string
	Field string // such as build.version; empty: "version" of a JSON object, else the whole text
	Want  string // empty: only reported
}

// Database is one database of the environment.
type Database struct {
	Name    string  // as the configuration calls it
	Service string  // its server's; empty for an external one
	Problem string  // why there is no Reader
	Reader  Querier `json:"-"`
}

// Custom is a check that the project adds: exactly one of HTTP, SQL and Command is set.
type Custom struct {
	Name     string
	Critical bool
	Timeout  time.Duration
	HTTP     *HTTP
	SQL      *SQL
	Command  *Command
}

// HTTP is a request, to every replica of a service or to a URL, and what the answer has to be.
type HTTP struct {
	Service  string
	Path     string
	Port     int    // 0 means the service's
	URL      string // instead of Service, Path and Port
	Status   int    // 0 means 200 to 399
	Contains string
	JSON     string // path of a value, such as items.0.state
	Equals   string // its text
}

// SQL is a query and its answer in the notation of psql -At: columns separated by |, rows by line ends.
type SQL struct {
	Database string
	Query    string
	Expect   *string // nil: the query only has to succeed; empty: no rows
}

// Command is a program of the project; code 0 means passed.
type Command struct {
	Args []string
	Dir  string
}

func (s Service) host() string {
	if s.Host != "" {
		return s.Host
	}
	return s.Name
}

// service returns the named service and whether there is one.
func (s Subject) service(name string) (Service, bool) {
	for _, svc := range s.Services {
		if svc.Name == name {
			return svc, true
		}
	}
	return Service{}, false
}

// database returns the named database and whether there is one.
func (s Subject) database(name string) (Database, bool) {
	for _, db := range s.Databases {
		if db.Name == name {
			return db, true
		}
	}
	return Database{}, false
}

// containers are those of svc as they are now.
func (s Subject) containers(ctx context.Context, svc Service) ([]Container, error) {
	if s.Inspector == nil {
		return svc.Containers, nil
	}
	return s.Inspector.Containers(ctx, svc.Name)
}
