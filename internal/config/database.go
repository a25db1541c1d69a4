package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Database is one PostgreSQL database: of a service of the stack, or at a URL.
type Database struct {
	Service  string `yaml:"service" jsonschema_description:"The Compose service that runs PostgreSQL."`
	Database string `yaml:"database" jsonschema_description:"Name of the database. Default: all databases of the server."`
	User     string `yaml:"user" jsonschema_description:"Role to connect as. Default: the container's POSTGRES_USER."`
	Password Secret `yaml:"password" jsonschema:"pattern=[$][{].+[}]" jsonschema_description:"Password of the role, only as ${VAR}. Default: what the container itself uses."`
	URL      Secret `yaml:"url" jsonschema:"pattern=^(postgres(ql)?://|[$][{])" jsonschema_description:"postgres://user:password@host:port/database of a server outside the stack, instead of the other keys. A password only as ${VAR}."`

	// Name is the database's key.
	Name string `yaml:"-"`
}

// VolumePolicy is what a rollback does with a named volume.
type VolumePolicy string

// The policies for volumes.
const (
	SnapshotVolume VolumePolicy = "snapshot" // copied while the services are stopped, restored on rollback
	IgnoreVolume   VolumePolicy = "ignore"   // rollback leaves it as it is
)

func (VolumePolicy) choices() []string {
	return []string{string(SnapshotVolume), string(IgnoreVolume)}
}

// databaseNames returns the names of the databases, sorted.
func (c *Config) databaseNames() []string { return slices.Sorted(maps.Keys(c.Databases)) }

// databasesOf merges what an environment says over the databases of the whole configuration. A URL replaces the
// service with its keys, and a service replaces a URL.
func (c *Config) databasesOf(env *Environment) map[string]*Database {
	out := make(map[string]*Database, len(c.Databases))
	for name, base := range c.Databases {
		if base == nil {
			continue
		}
		merged := *base
		merged.Name = name
		if over := env.Databases[name]; over != nil {
			merged.override(*over)
		}
		if url := env.DatabaseURLs[name]; url != "" {
			merged.override(Database{URL: url})
		}
		out[name] = &merged
	}
	return out
}

func (d *Database) override(over Database) {
	if over.URL != "" {
		*d = Database{Name: d.Name, URL: over.URL}
		return
	}
	if over != (Database{}) {
		d.URL = ""
	}
	replace(&d.Service, over.Service)
	replace(&d.Database, over.Database)
	replace(&d.User, over.User)
	replace(&d.Password, over.Password)
}

func replace[T ~string](into *T, with T) {
	if with != "" {
		*into = with
	}
}

// databaseKey is equal for two URLs of the same database: the role and the parameters do not matter. It is false for
// what is not a PostgreSQL URL.
func databaseKey(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", false
	}
	name := strings.Trim(u.Path, "/")
	host := u.Hostname()
	if host == "" {
		host = u.Query().Get("host") // a socket's folder
	}
	if host == "" || name == "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	return strings.ToLower(host) + ":" + port + "/" + name, true
}
