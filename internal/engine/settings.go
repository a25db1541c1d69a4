package engine

// Settings are how one container was made: what its image does not say by itself. Env holds secrets.
type Settings struct {
	ContainerID string
	Service     string
	Env         []EnvVar // sorted by name
	Entrypoint  []string // empty: the image's
	Command     []string // empty: the image's
	User        string   // empty: the image's
	WorkingDir  string   // empty: the image's
	Labels      map[string]string
	Ports       []string // 8080/tcp, published ones as host->container
	Mounts      []Mount  // sorted by target
	Networks    []string // names in the stack's model
	Memory      int64    // bytes, 0: no limit
	CPUs        float64  // 0: no limit
	PIDs        int64    // 0: no limit
	Restart     string
	Healthcheck string            // empty: the image's, or none
	Options     map[string]string // what weakens or hardens the container, and where its logs go; only what is not the default
}

// EnvVar is a variable of a container's environment.
type EnvVar struct {
	Name  string
	Value string
	Image bool // as the image sets it
}
