package config

import (
	"slices"
	"time"
)

// Check is one custom check: exactly one of HTTP, SQL and Command is given.
type Check struct {
	Name        string     `yaml:"name" jsonschema:"required,minLength=1" jsonschema_description:"How reports call it; unique."`
	On          []Stage    `yaml:"on" jsonschema:"uniqueItems=true" jsonschema_description:"When it runs: test (before the promotion, on the source), verify (after deploy, on the target). Default: both."`
	Environment string     `yaml:"environment" jsonschema_description:"The only environment that it runs in. Default: all."`
	HTTP        *HTTPCheck `yaml:"http" jsonschema_description:"An HTTP request and what its answer must be."`
	SQL         *SQLCheck  `yaml:"sql" jsonschema_description:"An SQL query and what its answer must be."`
	Command     []string   `yaml:"command" jsonschema:"minItems=1" jsonschema_description:"A program with its arguments, run from the repository root on the machine that promotes; status 0 passes. No shell is involved."`
	Timeout     Duration   `yaml:"timeout" jsonschema:"example=10s" jsonschema_description:"How long it may take. Default: HEALTH_CHECK_TIMEOUT."`
	Critical    *bool      `yaml:"critical" jsonschema_description:"Whether its failure fails the promotion. Otherwise it is a warning. Default: as its service, else true."`

	// Service is the service that the check belongs to; empty for the checks of the whole system.
	Service string `yaml:"-"`
}

// Stage is the phase in which a check runs.
type Stage string

// The stages of checks.
const (
	OnTest   Stage = "test"
	OnVerify Stage = "verify"
)

func (Stage) choices() []string { return []string{string(OnTest), string(OnVerify)} }

// HTTPCheck is a request and what its answer must be.
type HTTPCheck struct {
	Service  string            `yaml:"service" jsonschema_description:"The Compose service to ask, from inside its network."`
	Port     int               `yaml:"port" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port inside the container. Default: that of the service's health."`
	URL      string            `yaml:"url" jsonschema:"pattern=^(https?://|[$][{])" jsonschema_description:"A whole http:// or https:// URL, instead of service and path."`
	Path     string            `yaml:"path" jsonschema:"pattern=^(/|[$][{]),default=/" jsonschema_description:"Path with query that is asked for."`
	Status   int               `yaml:"status" jsonschema:"minimum=100,maximum=599,default=200" jsonschema_description:"HTTP status that is expected."`
	Contains string            `yaml:"contains" jsonschema_description:"Text that the body must hold."`
	JSON     map[string]Scalar `yaml:"json" jsonschema_description:"Fields that the JSON body must have, with dots for nested ones, and their values."`
}

// SQLCheck is a query and what its answer must be.
type SQLCheck struct {
	Database string  `yaml:"database" jsonschema_description:"Name under databases. May be left out when there is only one."`
	Query    string  `yaml:"query" jsonschema:"required,minLength=1" jsonschema_description:"One statement, run in a read-only transaction."`
	Expect   *Scalar `yaml:"expect" jsonschema_description:"What the first column of the first row must be. Default: any row is enough."`
}

// ChecksFor returns the custom checks that run in an environment at a stage, those of services included, with defaults
// filled in: Service, Critical and Timeout are always set, and an HTTP check of a service names it.
func (c *Config) ChecksFor(environment string, stage Stage) []Check {
	var all []Check
	for _, check := range c.Checks {
		all = append(all, c.filled(check, ""))
	}
	for _, name := range sortedKeys(c.Services) {
		all = append(all, c.Service(name).Checks...)
	}
	return slices.DeleteFunc(all, func(check Check) bool {
		return !slices.Contains(check.On, stage) || (check.Environment != "" && check.Environment != environment)
	})
}

// filled returns a copy of a check with its defaults. The service is empty for a check of the whole system.
func (c *Config) filled(check Check, service string) Check {
	check.Service = service
	if len(check.On) == 0 {
		check.On = []Stage{OnTest, OnVerify}
	}
	if check.Timeout == 0 {
		check.Timeout = Duration(c.Settings.HealthTimeout)
	}
	if check.Critical == nil {
		critical := true
		if owner := c.Services[service]; owner != nil && owner.Critical != nil {
			critical = *owner.Critical
		}
		check.Critical = &critical
	}
	if check.HTTP != nil {
		request := *check.HTTP
		if request.Service == "" && request.URL == "" {
			request.Service = service
		}
		if request.Port == 0 && request.Service != "" && c.Services[request.Service] != nil {
			request.Port = c.Services[request.Service].Health.Port
		}
		check.HTTP = &request
	}
	if check.SQL != nil && check.SQL.Database == "" && len(c.Databases) == 1 {
		query := *check.SQL
		query.Database = c.databaseNames()[0]
		check.SQL = &query
	}
	return check
}

// Wait is the check's timeout.
func (c Check) Wait() time.Duration { return time.Duration(c.Timeout) }
