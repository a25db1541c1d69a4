package snapshot

import "time"

// Variable is one environment variable, label or other setting of a service. A secret has no value, only a keyed hash.
type Variable struct {
	Name   string `json:"name"`
	Value  string `json:"value,omitempty"`
	Secret bool   `json:"secret,omitempty"`
	Kind   string `json:"kind,omitempty"`  // host, port, url, secret, flag, number, path, text
	Hash   string `json:"hash,omitempty"`  // HMAC-SHA-256 of the value with the run's key
	Image  bool   `json:"image,omitempty"` // the image's own default, which the environment does not set
	Empty  bool   `json:"empty,omitempty"` // set, to nothing
	Weak   string `json:"weak,omitempty"`  // of a secret: why it is none (a default, too short)
}

// Config is the effective configuration of a service, from its running container.
type Config struct {
	Variables   []Variable        `json:"variables"` // sorted by name
	Command     []string          `json:"command,omitempty"`
	Entrypoint  []string          `json:"entrypoint,omitempty"`
	User        string            `json:"user,omitempty"`
	WorkingDir  string            `json:"working_dir,omitempty"`
	Ports       []string          `json:"ports,omitempty"`    // 8080/tcp, published ones as host->container
	Mounts      []Mount           `json:"mounts,omitempty"`   // sorted by target
	Networks    []string          `json:"networks,omitempty"` // names in the Compose model
	Labels      []Variable        `json:"labels,omitempty"`   // without those of Compose and of the image
	Memory      int64             `json:"memory,omitempty"`   // limit in bytes, 0 none
	CPUs        float64           `json:"cpus,omitempty"`     // limit, 0 none
	PIDs        int64             `json:"pids,omitempty"`
	Restart     string            `json:"restart,omitempty"`
	Healthcheck string            `json:"healthcheck,omitempty"`
	Options     map[string]string `json:"options,omitempty"` // capabilities, read-only root, privileged, log driver, …
	Replicas    int               `json:"replicas"`
	Errors      []string          `json:"errors,omitempty"` // parts that could not be read
}

// Mount is one mounted volume, folder or file.
type Mount struct {
	Target   string `json:"target"`
	Type     string `json:"type"` // volume, bind, tmpfs, config, secret
	Source   string `json:"source,omitempty"`
	ReadOnly bool   `json:"read_only,omitempty"`
	Hash     string `json:"hash,omitempty"` // keyed, of a mounted file's content
	Size     int64  `json:"size,omitempty"` // of a mounted file
}

// Flag is one feature flag.
type Flag struct {
	Source  string `json:"source"` // as the configuration names it, or the service and prefix
	Name    string `json:"name"`
	Value   string `json:"value"` // on, off or the variant
	Default bool   `json:"default,omitempty"`
}

// FlagSource is one source of flags as it was read.
type FlagSource struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // env, json, file, table, flagd, unleash, flipt
	Error string `json:"error,omitempty"`
	Flags []Flag `json:"flags,omitempty"` // sorted by name
}

// Endpoint is what a version endpoint answered.
type Endpoint struct {
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Details are what a comparison reads beyond what a promotion needs.
type Details struct {
	Configs  map[string]Config   `json:"configs,omitempty"` // by service
	Versions map[string]Endpoint `json:"versions,omitempty"`
	Flags    []FlagSource        `json:"flags,omitempty"`
	Catalogs []Catalog           `json:"catalogs,omitempty"` // sorted by server and database
	Keyed    string              `json:"keyed,omitempty"`    // fingerprint of the hash key: hashes of another key cannot be compared
	Took     float64             `json:"took_seconds,omitempty"`
	At       time.Time           `json:"at,omitzero"`
}

// Catalog is the definition of one database, and what is known of its data.
type Catalog struct {
	Server   string      `json:"server"`
	Database string      `json:"database"`
	Major    int         `json:"major"`
	Error    string      `json:"error,omitempty"` // why it could not be read
	Objects  []Object    `json:"objects"`         // sorted by kind and name
	Tables   []TableData `json:"tables,omitempty"`
	Applied  []Migration `json:"applied,omitempty"`
}

// Object is one object of a schema with its definition, normalised: equal schemas have equal objects whatever route led
// to them.
type Object struct {
	Kind       string            `json:"kind"` // table, column, constraint, index, view, function, …
	Name       string            `json:"name"` // qualified, quoted where SQL needs it; generated names replaced by what they stand for
	Table      string            `json:"table,omitempty"`
	Definition string            `json:"definition,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"` // typed parts that hazards are derived from: type, not_null, default, columns, …
	Real       string            `json:"real,omitempty"`       // its name at this side, where Name is normalised
}

// TableData is what is known of the rows of one table.
type TableData struct {
	Table       string            `json:"table"`
	Rows        int64             `json:"rows"`
	Exact       bool              `json:"exact"` // counted; else the planner's estimate
	Bytes       int64             `json:"bytes"`
	Fingerprint string            `json:"fingerprint,omitempty"`
	Newest      time.Time         `json:"newest,omitzero"` // of the column that tells when a row came
	NewestOf    string            `json:"newest_of,omitempty"`
	Reference   bool              `json:"reference,omitempty"` // compared row by row
	ByKey       map[string]string `json:"by_key,omitempty"`    // of a reference table: key → hash of the row
	Tool        string            `json:"tool,omitempty"`      // the migration tool whose table it is
	Error       string            `json:"error,omitempty"`
}

// Migration is one entry of a migration table.
type Migration struct {
	Table    string    `json:"table"`
	Version  string    `json:"version"`
	Checksum string    `json:"checksum,omitempty"`
	Failed   bool      `json:"failed,omitempty"`
	Place    int       `json:"place"` // in the order in which they were applied, from 0
	At       time.Time `json:"at,omitzero"`
}
