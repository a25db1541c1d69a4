package compare

import "time"

// Probe is a question about the target's real rows, which decides whether a difference is a hazard: it is derived from
// two schemas, asked by the target's agent in a read-only transaction, and answered with a number of rows.
type Probe struct {
	ID       string `json:"id"` // of the finding that it decides
	Server   string `json:"server"`
	Database string `json:"database"`
	Query    string `json:"query"` // one SELECT that yields one bigint: rows that stand against the change
}

// ProbeResult is its answer.
type ProbeResult struct {
	ID    string `json:"id"`
	Rows  int64  `json:"rows"`
	Error string `json:"error,omitempty"` // a timeout, a missing right: the hazard stays possible
}

// Latency is one endpoint of a service sampled on both sides, interleaved in time.
type Latency struct {
	Service    string    `json:"service"`
	Path       string    `json:"path"`
	From       []float64 `json:"from"` // milliseconds, in order of time
	To         []float64 `json:"to"`
	FromErrors int       `json:"from_errors,omitempty"`
	ToErrors   int       `json:"to_errors,omitempty"`
	Error      string    `json:"error,omitempty"` // why there are no samples
}

// Rehearsal is the release's migration as it was tried on a copy of the target's databases.
type Rehearsal struct {
	At        time.Time       `json:"at"`
	Databases []RehearsedData `json:"databases"`
	Migration []RehearsedJob  `json:"migration"` // what was run, in order
	Class     string          `json:"class"`     // app-only or restore; empty: not proved
	ClassWhy  string          `json:"class_why"` // the check of the old release that failed, or what was proved
	Error     string          `json:"error,omitempty"`
	Took      float64         `json:"took_seconds"`
	Left      []string        `json:"left,omitempty"` // what could not be removed
}

// RehearsedJob is one program that migrated.
type RehearsedJob struct {
	Service  string  `json:"service"`
	Image    string  `json:"image"`
	Seconds  float64 `json:"seconds"`
	ExitCode int     `json:"exit_code"`
	Failure  string  `json:"failure,omitempty"`
	Log      string  `json:"log,omitempty"` // its last lines, without secrets
}

// RehearsedData is one database before and after the migration.
type RehearsedData struct {
	Server      string           `json:"server"`
	Database    string           `json:"database"`
	Copy        string           `json:"copy"` // clone, file_copy, dump
	CopySeconds float64          `json:"copy_seconds"`
	Changed     []string         `json:"changed,omitempty"`   // schema objects that the migration changed
	Remaining   []string         `json:"remaining,omitempty"` // differences of the migrated copy from the source's schema
	Rows        []RehearsedTable `json:"rows,omitempty"`
	Locks       []RehearsedLock  `json:"locks,omitempty"`
}

// RehearsedTable counts what a migration did to the rows of a table.
type RehearsedTable struct {
	Table                      string `json:"table"`
	Before                     int64  `json:"before"`
	After                      int64  `json:"after"`
	Inserted, Updated, Deleted int64
}

// RehearsedLock is the strongest lock that a migration was seen to hold on a table, and for how long at least.
type RehearsedLock struct {
	Table   string  `json:"table"`
	Mode    string  `json:"mode"`
	Seconds float64 `json:"seconds"`
}

// Rules say how keys of a configuration are meant where names and values do not tell.
type Rules struct {
	Secret    []string `json:"secret,omitempty"`    // patterns of keys whose values are secrets
	Differ    []string `json:"differ,omitempty"`    // must differ between the environments
	Equal     []string `json:"equal,omitempty"`     // must be equal
	Ignore    []string `json:"ignore,omitempty"`    // are not compared
	Reference []string `json:"reference,omitempty"` // tables that are compared row by row: schema.table, with *
}
