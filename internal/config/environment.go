package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Environment is a named place where the services run.
type Environment struct {
	Compose      Compose              `yaml:"compose" jsonschema:"required" jsonschema_description:"The Compose project that runs there."`
	Host         string               `yaml:"host" jsonschema:"example=ssh://deploy@staging.example.org" jsonschema_description:"The Docker engine: empty for the caller's own, or unix:///path, ssh://user@host[:port], tcp://host:port."`
	TLS          TLS                  `yaml:"tls" jsonschema_description:"Certificates for a tcp:// engine."`
	Checkout     string               `yaml:"checkout" jsonschema_description:"A git checkout on this machine that is moved to the release's commit at deploy, and back at rollback."`
	DatabaseURLs map[string]Secret    `yaml:"database_urls" jsonschema_description:"URL of a database in this environment, by the name it has under databases. Short for databases.NAME.url."`
	Databases    map[string]*Database `yaml:"databases" jsonschema_description:"What is different about a database in this environment, by the name it has under databases; each key given here replaces the one given there."`

	// Name is the environment's key.
	Name string `yaml:"-"`
}

// Compose names the Compose model of an environment.
type Compose struct {
	Project   string   `yaml:"project" jsonschema:"required,pattern=^([a-z0-9][a-z0-9_-]*|.*[$][{].*)$" jsonschema_description:"Name of the Compose project, as in docker compose ls."`
	Files     []string `yaml:"files" jsonschema_description:"Compose files, later ones over earlier ones. Without any: compose.yaml, compose.yml, docker-compose.yaml or docker-compose.yml, with its .override file when there is one."`
	EnvFiles  []string `yaml:"env_files" jsonschema_description:"Files with the variables of the Compose files, later ones over earlier ones."`
	Profiles  []string `yaml:"profiles" jsonschema_description:"Compose profiles that are on."`
	Directory string   `yaml:"directory" jsonschema_description:"Folder that relative paths inside the Compose files start from. Default: the folder of the first file."`
}

// TLS names the PEM files for a tcp:// engine.
type TLS struct {
	CA   string `yaml:"ca" jsonschema_description:"Certificate authority of the engine."`
	Cert string `yaml:"cert" jsonschema_description:"Certificate of the client."`
	Key  string `yaml:"key" jsonschema_description:"Key of the client."`
}

// UnknownNameError is a name that the configuration does not have.
type UnknownNameError struct {
	Kind  string   // what is named: "environment"
	Name  string   // what was asked for
	Known []string // what there is, sorted
}

func (e *UnknownNameError) Error() string {
	return fmt.Sprintf("config: no %s %q", e.Kind, e.Name)
}

// Hint names what would be accepted.
func (e *UnknownNameError) Hint() string { return suggest(e.Name, e.Known, e.Kind+"s") }

// SameEnvironmentError is a promotion from an environment to itself.
type SameEnvironmentError struct{ Name string }

func (e *SameEnvironmentError) Error() string {
	return fmt.Sprintf("config: cannot promote %s to itself", e.Name)
}

// Hint says what would be accepted.
func (e *SameEnvironmentError) Hint() string { return "name two environments with --from and --to" }

// EnvironmentNames returns the names of the environments, sorted.
func (c *Config) EnvironmentNames() []string { return slices.Sorted(maps.Keys(c.Environments)) }

// Environment returns the named environment as a copy with absolute paths and with Databases complete: every database of
// the configuration with this environment's keys over it. The error is an *UnknownNameError.
func (c *Config) Environment(name string) (Environment, error) {
	found, ok := c.Environments[name]
	if !ok || found == nil {
		return Environment{}, &UnknownNameError{Kind: "environment", Name: name, Known: c.EnvironmentNames()}
	}
	env := *found
	env.Name = name
	env.Compose.Files = c.absAll(env.Compose.Files)
	env.Compose.EnvFiles = c.absAll(env.Compose.EnvFiles)
	env.Compose.Profiles = slices.Clone(env.Compose.Profiles)
	env.Compose.Directory = c.abs(env.Compose.Directory)
	env.TLS = TLS{CA: c.abs(env.TLS.CA), Cert: c.abs(env.TLS.Cert), Key: c.abs(env.TLS.Key)}
	env.Checkout = c.abs(env.Checkout)
	env.DatabaseURLs = maps.Clone(env.DatabaseURLs)
	env.Databases = c.databasesOf(found)
	return env, nil
}

// Pair returns the environments of a promotion, each as Environment does. The error is an *UnknownNameError or a
// *SameEnvironmentError.
func (c *Config) Pair(from, to string) (source, target Environment, err error) {
	if source, err = c.Environment(from); err != nil {
		return source, target, err
	}
	if target, err = c.Environment(to); err != nil {
		return source, target, err
	}
	if from == to {
		return source, target, &SameEnvironmentError{Name: from}
	}
	return source, target, nil
}

func (c *Config) absAll(paths []string) []string {
	out := make([]string, len(paths))
	for i, path := range paths {
		out[i] = c.abs(path)
	}
	return out
}

// engineKey is equal for two hosts that are the same engine as far as their spelling can say.
func engineKey(host string) string {
	scheme, rest, ok := strings.Cut(host, "://")
	switch {
	case !ok, scheme == "unix" && (rest == "/var/run/docker.sock" || rest == "/run/docker.sock"):
		return "local"
	case scheme == "ssh":
		if i := strings.LastIndex(rest, "@"); i >= 0 {
			rest = rest[i+1:]
		}
		rest = strings.TrimSuffix(rest, ":22")
	}
	return scheme + "://" + strings.ToLower(strings.TrimSuffix(rest, "/"))
}
