package engine

import "time"

// Conditions under which a dependent service may start.
const (
	ConditionStarted   = "service_started"
	ConditionHealthy   = "service_healthy"
	ConditionCompleted = "service_completed_successfully"
)

// Container is one container as the engine describes it. Env holds secrets.
type Container struct {
	ID            string
	Name          string
	Service       string
	Number        int    // replica, from 1; 0 for a container outside a stack
	OneOff        bool   // made by a single run of a service, not one of its replicas
	Image         string // as written in its configuration: a tag or an ID
	ImageID       string
	State         string // created, running, paused, restarting, removing, exited, dead
	Health        string // "", starting, healthy, unhealthy
	ExitCode      int
	OOMKilled     bool
	Restarts      int
	CreatedAt     time.Time
	StartedAt     time.Time
	FinishedAt    time.Time
	RestartPolicy string // "no", "always", "unless-stopped", "on-failure"
	MaxRetries    int    // of on-failure; 0 is without limit
	ConfigHash    string
	DependsOn     []Dependency
	Addresses     map[string]string // network name → IPv4 address
	Ports         []Port            // published
	Exposed       []Port
	Mounts        []Mount
	Env           map[string]string
	Labels        map[string]string

	StopSignal     string
	StopTimeout    time.Duration // 10 s where nothing is set
	HasHealthcheck bool
	HealthLog      []Probe
	NetworkMode    string
	ComposeVersion string // of the program that created it
}

// Dependency is a service that must have reached Condition before the dependent starts.
type Dependency struct {
	Service   string
	Condition string
}

// Port is a port of a container and, when published, where.
type Port struct {
	Port     int
	Protocol string
	HostIP   string
	HostPort int // 0 when not published
}

// Mount is a folder or file of the engine's host, a volume or memory inside a container.
type Mount struct {
	Type   string // bind, volume, tmpfs
	Name   string // of the volume
	Source string // path on the engine's host
	Target string
	RW     bool
}

// Probe is one run of a health check.
type Probe struct {
	Time   time.Time
	Exit   int
	Output string
}

// Stats is the use of processor and memory at one moment.
type Stats struct {
	CPU         float64 // cores
	Memory      int64   // bytes, without the page cache that can go
	MemoryLimit int64
	Processes   int
}
