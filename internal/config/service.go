package config

// Service is what Compose does not say about a service.
type Service struct {
	Kind           Kind       `yaml:"kind" jsonschema_description:"What the service is. Default: found from its image, ports and place in the stack."`
	Critical       *bool      `yaml:"critical" jsonschema:"default=true" jsonschema_description:"Whether a failing check of this service fails the promotion. Otherwise it is a warning."`
	Health         Health     `yaml:"health" jsonschema_description:"How to see that the service works, beyond its Compose health check."`
	Version        Version    `yaml:"version" jsonschema_description:"Where the service says its version."`
	StartupTimeout Duration   `yaml:"startup_timeout" jsonschema:"example=60s" jsonschema_description:"How long the service may take to become healthy. Default: MAX_STARTUP_WAIT."`
	Thresholds     Thresholds `yaml:"thresholds" jsonschema_description:"What is still good enough."`
	Checks         []Check    `yaml:"checks" jsonschema_description:"Checks of your own that belong to this service; an HTTP check asks this service unless it names another."`

	// Name is the service's key.
	Name string `yaml:"-"`
}

// Kind is what a service is.
type Kind string

// The kinds of services. A job ends by itself; a worker answers nobody.
const (
	Frontend       Kind = "frontend"
	API            Kind = "api"
	Worker         Kind = "worker"
	Job            Kind = "job"
	DatabaseServer Kind = "database"
	Other          Kind = "other"
)

func (Kind) choices() []string {
	return []string{string(Frontend), string(API), string(Worker), string(Job), string(DatabaseServer), string(Other)}
}

// Health is how to see that a service works.
type Health struct {
	HTTP   string `yaml:"http" jsonschema:"pattern=^(/|[$][{]),example=/healthz" jsonschema_description:"Path that answers when the service works."`
	TCP    bool   `yaml:"tcp" jsonschema:"default=false" jsonschema_description:"Whether an open port is enough."`
	Port   int    `yaml:"port" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port inside the container. Default: the one that the image or the Compose file exposes."`
	Status int    `yaml:"status" jsonschema:"minimum=100,maximum=599,default=200" jsonschema_description:"HTTP status that is expected."`
}

// Version is where a service says its version.
type Version struct {
	HTTP  string `yaml:"http" jsonschema:"pattern=^(/|[$][{]),example=/version" jsonschema_description:"Path that answers with the version."`
	Field string `yaml:"field" jsonschema:"example=version" jsonschema_description:"Field of the JSON answer, with dots for nested ones. Default: the whole body."`
}

// Thresholds are what is still good enough; zero and nil mean that there is no limit.
type Thresholds struct {
	P95       Duration `yaml:"p95" jsonschema:"example=2s" jsonschema_description:"95th percentile of the response time."`
	ErrorRate *Percent `yaml:"error_rate" jsonschema:"example=1%" jsonschema_description:"Share of requests that may fail."`
}

// Service returns the named service as a copy with defaults filled in, whether or not the configuration has an entry.
// Critical is never nil in it.
func (c *Config) Service(name string) Service {
	service := Service{}
	if found := c.Services[name]; found != nil {
		service = *found
	}
	service.Name = name
	if service.Critical == nil {
		critical := true
		service.Critical = &critical
	}
	if service.StartupTimeout == 0 {
		service.StartupTimeout = Duration(c.Settings.StartupWait)
	}
	if service.Health.Status == 0 {
		service.Health.Status = 200
	}
	service.Checks = make([]Check, 0)
	if found := c.Services[name]; found != nil {
		for _, check := range found.Checks {
			service.Checks = append(service.Checks, c.filled(check, name))
		}
	}
	return service
}
