package config

import "github.com/org/promote-action/internal/compare"

// Compare is how two environments are compared.
type Compare struct {
	Secret      []string     `yaml:"secret" jsonschema:"example=*_PIN" jsonschema_description:"Keys whose values are secrets, where name and value do not tell. Patterns with * for any run of characters; KEY or SERVICE.KEY."`
	Differ      []string     `yaml:"differ" jsonschema:"example=PUBLIC_URL" jsonschema_description:"Keys that must differ between the environments."`
	Equal       []string     `yaml:"equal" jsonschema:"example=SHARED_LICENSE" jsonschema_description:"Keys and paths of mounted files that must be the same in both environments. Secrets that may be shared belong here."`
	Ignore      []string     `yaml:"ignore" jsonschema:"example=DEBUG*" jsonschema_description:"Keys and mounted paths that are not compared."`
	Reference   []string     `yaml:"reference" jsonschema:"example=public.plans" jsonschema_description:"Tables that are compared row by row: schema.table, with *. Default: small tables that others refer to."`
	Accepted    []Acceptance `yaml:"accepted" jsonschema_description:"Differences that cost nothing until a day. They are shown all the same."`
	Flags       []FlagSource `yaml:"flags" jsonschema_description:"Where feature flags are read."`
	Performance Performance  `yaml:"performance" jsonschema_description:"Endpoints that are sampled on both sides."`
}

// Acceptance is a difference that somebody has accepted.
type Acceptance struct {
	Finding string `yaml:"finding" jsonschema:"required,minLength=1,example=configuration/key-missing/api.DEBUG*" jsonschema_description:"ID of the finding as promote compare shows it, with * for any run of characters. One that deletes data is named in full."`
	Reason  string `yaml:"reason" jsonschema:"required,minLength=1" jsonschema_description:"Why it is accepted, for those who read the comparison."`
	Until   Day    `yaml:"until" jsonschema:"required" jsonschema_description:"The last day on which it is accepted, as YYYY-MM-DD in UTC."`
}

// FlagSource is one place where feature flags are read.
type FlagSource struct {
	Name     string            `yaml:"name" jsonschema:"required,minLength=1" jsonschema_description:"How reports call it; unique."`
	Kind     FlagKind          `yaml:"kind" jsonschema:"required" jsonschema_description:"What is read: variables with a prefix, a JSON endpoint, a file in a container, rows of a table, a flagd definition, Unleash's or Flipt's API."`
	Service  string            `yaml:"service" jsonschema_description:"The Compose service that is asked, or whose container has the variables or the file. Of env: default every service."`
	Prefix   string            `yaml:"prefix" jsonschema:"example=FEATURE_" jsonschema_description:"Of env: how the names of the variables begin."`
	Port     int               `yaml:"port" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port inside the container. Default: that of the service's health."`
	Path     string            `yaml:"path" jsonschema:"pattern=^(/|[$][{]),example=/flags" jsonschema_description:"Path that is asked for, or the file in the container."`
	URL      string            `yaml:"url" jsonschema:"pattern=^(https?://|[$][{])" jsonschema_description:"A whole http:// or https:// URL, instead of service, port and path."`
	Field    string            `yaml:"field" jsonschema_description:"Field of the JSON that holds the flags, with dots for nested ones. Default: all of it."`
	Database string            `yaml:"database" jsonschema_description:"Of table: name under databases. May be left out when there is only one."`
	Query    string            `yaml:"query" jsonschema_description:"Of table: one statement that yields a name and a value in each row, such as SELECT name, enabled FROM flags; run in a read-only transaction."`
	Header   map[string]Secret `yaml:"header" jsonschema_description:"Headers of the request. A token only as ${VAR}."`
}

// FlagKind is what a source of flags is.
type FlagKind string

// The kinds of sources.
const (
	EnvFlags     FlagKind = "env"
	JSONFlags    FlagKind = "json"
	FileFlags    FlagKind = "file"
	TableFlags   FlagKind = "table"
	FlagdFlags   FlagKind = "flagd"
	UnleashFlags FlagKind = "unleash"
	FliptFlags   FlagKind = "flipt"
)

func (FlagKind) choices() []string {
	return []string{string(EnvFlags), string(JSONFlags), string(FileFlags), string(TableFlags), string(FlagdFlags), string(UnleashFlags), string(FliptFlags)}
}

// Performance is how endpoints are sampled.
type Performance struct {
	Enabled   bool       `yaml:"enabled" jsonschema:"default=false" jsonschema_description:"Whether every comparison samples. Otherwise only with --performance."`
	Endpoints []Endpoint `yaml:"endpoints" jsonschema_description:"What is sampled. Default: the endpoint of each service that its checks ask."`
	Rate      int        `yaml:"rate" jsonschema:"minimum=1,maximum=100,default=5" jsonschema_description:"Requests in a second to each endpoint, on each side."`
	Duration  Duration   `yaml:"duration" jsonschema:"default=10s" jsonschema_description:"How long is sampled. Fewer than 20 requests to an endpoint say nothing."`
}

// Endpoint is one path of a service.
type Endpoint struct {
	Service string `yaml:"service" jsonschema:"required,minLength=1" jsonschema_description:"The Compose service."`
	Port    int    `yaml:"port" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port inside the container. Default: that of the service's health."`
	Path    string `yaml:"path" jsonschema:"pattern=^(/|[$][{]),default=/" jsonschema_description:"Path with query that is asked for."`
}

// ComparePolicy is what the configuration says of score, coverage and verdict.
func (c *Config) ComparePolicy() compare.Policy {
	p := compare.Policy{Ready: float64(c.Policy.Ready), Caution: float64(c.Policy.Caution), Coverage: float64(c.Policy.Coverage)}
	for id, weight := range c.Policy.Weights {
		if p.Weights == nil {
			p.Weights = map[string]float64{}
		}
		p.Weights[id] = float64(weight)
	}
	return p
}

// CompareRules is what the configuration says of keys and tables.
func (c *Config) CompareRules() compare.Rules {
	r := c.Compare
	return compare.Rules{Secret: r.Secret, Differ: r.Differ, Equal: r.Equal, Ignore: r.Ignore, Reference: r.Reference}
}

// Accepted are the differences that somebody has accepted, also those whose day is over.
func (c *Config) Accepted() []compare.Acceptance {
	var out []compare.Acceptance
	for _, a := range c.Compare.Accepted {
		out = append(out, compare.Acceptance{Finding: a.Finding, Reason: a.Reason, Until: a.Until.Time()})
	}
	return out
}

// FlagNames are the names of the sources of flags.
func (c *Config) FlagNames() []string {
	var names []string
	for _, f := range c.Compare.Flags {
		names = append(names, f.Name)
	}
	return names
}
