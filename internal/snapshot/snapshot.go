// Package snapshot describes one environment as it was at one moment: services, images, databases, volumes and the
// engine below them. The agent fills it from inside; the plan and the comparison only read it.
package snapshot

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is one environment as read at one moment. It holds no secret: values of variables are not part of it.
type Snapshot struct {
	Schema      string    `json:"schema"` // promote.snapshot/1
	Environment string    `json:"environment"`
	Project     string    `json:"project"`
	TakenAt     time.Time `json:"taken_at"`
	Engine      Engine    `json:"engine"`
	Services    []Service `json:"services"` // sorted by name
	Servers     []Server  `json:"servers,omitempty"`
	Volumes     []Volume  `json:"volumes,omitempty"`
	Networks    []string  `json:"networks,omitempty"`
	Missing     []Missing `json:"missing,omitempty"` // what could not be read; never to be taken for empty
	Details     *Details  `json:"details,omitempty"` // read for a comparison only
}

// Missing is a part that could not be read.
type Missing struct {
	Part   string `json:"part"`
	Reason string `json:"reason"`
}

// Engine is the container engine of the environment.
type Engine struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Version    string    `json:"version"`
	APIVersion string    `json:"api_version"`
	OS         string    `json:"os"`
	Arch       string    `json:"arch"`
	CPUs       int       `json:"cpus"`
	Time       time.Time `json:"time"`       // its clock at TakenAt
	DiskFree   int64     `json:"disk_free"`  // bytes where the state volume lies
	DiskTotal  int64     `json:"disk_total"` // bytes
}

// Service is one entry of the stack as it runs.
type Service struct {
	Name       string      `json:"name"`
	Containers []Container `json:"containers"`
	OneShot    bool        `json:"one_shot,omitempty"` // runs to its end: others wait for its completion, or it ended with code 0 and has no restart policy
	Database   bool        `json:"database,omitempty"` // a PostgreSQL server
}

// Container is one replica.
type Container struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	Image          string    `json:"image"`    // as its configuration names it
	ImageID        string    `json:"image_id"` // what it is
	RepoDigests    []string  `json:"repo_digests,omitempty"`
	Version        string    `json:"version,omitempty"`  // label org.opencontainers.image.version
	Revision       string    `json:"revision,omitempty"` // label org.opencontainers.image.revision
	ImageCreated   time.Time `json:"image_created,omitzero"`
	ImageSize      int64     `json:"image_size,omitempty"`
	State          string    `json:"state"`  // running, exited, restarting, paused, created, dead
	Health         string    `json:"health"` // healthy, unhealthy, starting; empty without a health check
	HasHealthcheck bool      `json:"has_healthcheck,omitempty"`
	ExitCode       int       `json:"exit_code,omitempty"`
	Restarts       int       `json:"restarts,omitempty"`
	StartedAt      time.Time `json:"started_at,omitzero"`
	Created        time.Time `json:"created,omitzero"`
	Restart        string    `json:"restart,omitempty"` // restart policy
	ConfigHash     string    `json:"config_hash,omitempty"`
	ComposeVersion string    `json:"compose_version,omitempty"`
	StopSignal     string    `json:"stop_signal,omitempty"`
	Volumes        []string  `json:"volumes,omitempty"` // named volumes it mounts
	CPUPercent     float64   `json:"cpu_percent,omitempty"`
	Memory         int64     `json:"memory,omitempty"` // bytes in use
}

// Server is one PostgreSQL server of the environment.
type Server struct {
	Service   string     `json:"service"` // empty for an external server
	Name      string     `json:"name"`    // as the configuration calls it, or the service
	Image     string     `json:"image,omitempty"`
	ImageID   string     `json:"image_id,omitempty"`
	Version   string     `json:"version"` // of the server, such as 15.18
	Number    int        `json:"number"`  // server_version_num
	User      string     `json:"user"`
	Note      string     `json:"note,omitempty"` // what a person should know of how it is reached
	Databases []Database `json:"databases"`
}

// Major is the server's major version.
func (s Server) Major() int { return s.Number / 10000 }

// Database is one database of a server.
type Database struct {
	Name       string `json:"name"`
	Owner      string `json:"owner"`
	Encoding   string `json:"encoding"`
	Collate    string `json:"collate"`
	CType      string `json:"ctype"`
	Size       int64  `json:"size"` // bytes
	Sessions   int    `json:"sessions"`
	SchemaHash string `json:"schema_hash"`
	Tables     int    `json:"tables"`
	Rights     Rights `json:"rights"`
}

// Rights says what the promotion's user may do with a database.
type Rights struct {
	Superuser bool     `json:"superuser,omitempty"`
	CreateDB  bool     `json:"create_db,omitempty"`
	Owner     bool     `json:"owner,omitempty"`
	Signal    bool     `json:"signal,omitempty"`  // may terminate other sessions
	Missing   []string `json:"missing,omitempty"` // statements that would grant what is missing
}

// Volume is a named volume that the stack's services mount.
type Volume struct {
	Name     string   `json:"name"`
	Key      string   `json:"key"` // its name in the Compose model
	Services []string `json:"services"`
	Driver   string   `json:"driver,omitempty"`
}

// Service returns the named service and whether there is one.
func (s *Snapshot) Service(name string) (Service, bool) {
	for _, svc := range s.Services {
		if svc.Name == name {
			return svc, true
		}
	}
	return Service{}, false
}

// Server returns the named PostgreSQL server and whether there is one.
func (s *Snapshot) Server(name string) (Server, bool) {
	for _, server := range s.Servers {
		if server.Name == name {
			return server, true
		}
	}
	return Server{}, false
}

// Sort puts services and servers into the order of their names, so that equal environments give equal bytes.
func (s *Snapshot) Sort() {
	slices.SortFunc(s.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	for _, svc := range s.Services {
		slices.SortFunc(svc.Containers, func(a, b Container) int { return cmp.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(s.Servers, func(a, b Server) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Volumes, func(a, b Volume) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(s.Networks)
}
