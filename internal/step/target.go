package step

import (
	"context"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// Target is what the steps of one promotion work on. Everything in it belongs to one environment on one engine.
type Target struct {
	ID        string // of the promotion
	Project   string
	Stack     Stack
	Images    Images
	Databases func(server string) (Database, error) // a PostgreSQL server by its name in the plan
	Volumes   Volumes
	Checkout  Checkout
	Checks    Checks
	Rehearser Rehearser // nil where nothing can be rehearsed
	Point     Point
	Progress  func(done, total int64, unit, message string)
	Note      func(level, message string)
	Prove     func(items ...promotion.ProofItem)
	Check     func(c promotion.Check)
	Started   func(kind string) bool // whether a step of that kind was ever begun, or a phase ("phase verify") ended well, as the journal says
}

// Stack is the project's containers.
type Stack interface {
	// Record describes the containers, networks and their configuration exactly enough to make them again.
	Record(ctx context.Context) ([]byte, error)
	// Stop stops the services' containers, dependents first, each with its own grace.
	Stop(ctx context.Context, services []string, onEvent func(string)) ([]Stopped, error)
	// RunJob runs a one-shot of the new release to its end.
	RunJob(ctx context.Context, service string, onLine func(string)) error
	// Up makes the services run as the new release's model says.
	Up(ctx context.Context, up Up, onEvent func(string)) error
	// WaitHealthy waits until every service is healthy and runs the wanted image.
	WaitHealthy(ctx context.Context, want []Want, onEvent func(string)) error
	// Discard stops and removes the services' containers that the record does not know.
	Discard(ctx context.Context, record []byte, services []string, onEvent func(string)) error
	// Restore makes the recorded containers of the services run again, exactly as recorded. It runs no job again.
	Restore(ctx context.Context, record []byte, services []string, onEvent func(string)) error
	// Compare proves that what runs equals the record.
	Compare(ctx context.Context, record []byte, services []string) ([]promotion.ProofItem, error)
	// Restarts counts the restarts of the services' containers and lists those that do not run.
	Restarts(ctx context.Context, services []string) (map[string]int, []string, error)
}

// Up is what to start.
type Up struct {
	Services []string // to be made as the model says
	Keep     []string // dependencies that stay as they are, however they differ
	JobsDone []string // jobs that have run: nobody waits for them any more
	Unwell   []string // of Services: those that nobody waits for, since they did not run well before either
}

// Want is a service as it has to be.
type Want struct {
	Service string             `json:"service"`
	ImageID string             `json:"image_id"`
	Timeout promotion.Duration `json:"timeout,omitempty"`
}

// Stopped is how a container ended.
type Stopped struct {
	Container string
	Code      int
	Killed    bool // it did not end within its grace
	Took      time.Duration
}

// Images are the engine's images.
type Images interface {
	Tag(ctx context.Context, id, ref string) error
	Untag(ctx context.Context, ref string) error
	Has(ctx context.Context, id string) (bool, error)
}

// Database is one PostgreSQL server.
type Database interface {
	// Close forbids new connections and ends the present ones; it returns whose sessions were ended.
	Close(ctx context.Context, database string) ([]string, error)
	// Open allows connections again, as before.
	Open(ctx context.Context, database string) error
	// Fingerprint reads schema and rows.
	Fingerprint(ctx context.Context, database string, progress func(done, total int64)) (Fingerprint, error)
	// Clone copies a database that nobody is connected to, beside itself.
	Clone(ctx context.Context, database, as, promotion string) (string, error)
	// Swap puts `in` in the place of database, which is kept as `aside`, in one transaction.
	Swap(ctx context.Context, database, aside, in string) error
	// Exists reports whether there is a database of that name.
	Exists(ctx context.Context, database string) (bool, error)
	// Drop removes a copy.
	Drop(ctx context.Context, database string) error
	// Dump writes a verified portable dump to the restore point.
	Dump(ctx context.Context, database, file string, progress func(done, total int64)) (Dump, error)
	// Load restores a dump of the restore point into a new database.
	Load(ctx context.Context, file, into, promotion string, progress func(done, total int64)) error
}

// Dump is a portable dump as it was taken.
type Dump struct {
	Server     string `json:"server"`
	Database   string `json:"database"`
	File       string `json:"file"` // relative to the restore point
	Raw        int64  `json:"raw"`  // bytes before compression
	Size       int64  `json:"size"` // bytes
	SHA256     string `json:"sha256"`
	Tables     int    `json:"tables"`
	Tool       string `json:"tool"`           // version of pg_dump
	ServerInfo string `json:"server_version"` // of the server
	Owner      string `json:"owner"`
	Encoding   string `json:"encoding"`
	Collate    string `json:"collate"`
	CType      string `json:"ctype"`
}

// Volumes are named volumes that are copied while nobody writes.
type Volumes interface {
	Copy(ctx context.Context, volume string, progress func(done, total int64)) (string, error) // returns the tree's digest
	Restore(ctx context.Context, volume string, progress func(done, total int64)) error
	Digest(ctx context.Context, volume string) (string, error)
}

// Checkout is the environment's git checkout on its host.
type Checkout interface {
	Head(ctx context.Context, path string) (commit, branch string, dirty []string, err error)
	Move(ctx context.Context, path, commit, branch string) error
}

// Checks are the environment checks, run from inside the target.
type Checks interface {
	// Verify runs them until they pass or ctx ends, and returns the last results.
	Verify(ctx context.Context, onEvent func(string)) ([]promotion.Check, error)
	// VerifyPrevious does the same for the previous release; what failed before the promotion too is a warning.
	VerifyPrevious(ctx context.Context, onEvent func(string)) ([]promotion.Check, error)
}

// Point is the restore point on the state volume. Writes are synced before they return.
type Point interface {
	Write(name string, data []byte) error
	Read(name string) ([]byte, error) // fs.ErrNotExist when it was never written
	// Seal writes the manifest of the portable backup over what the restore point holds.
	Seal(ctx context.Context) error
	// Discard removes the whole restore point.
	Discard(ctx context.Context) error
}
