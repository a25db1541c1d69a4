// Package fault names the ways in which a release of the sample system can be broken. The program that builds the
// images and the program inside them agree on them here.
package fault

import "slices"

// Fault is one way to be broken; the empty one is a sound release.
type Fault string

// The faults. A faulty release behaves well in development: its fault shows where SHOP_ENVIRONMENT is "staging", since a
// release that is broken already where it comes from is never promoted.
const (
	None                   Fault = ""
	Crash                  Fault = "crash"                     // api does not start
	Dies                   Fault = "dies"                      // api dies 5 s after its start
	Unhealthy              Fault = "unhealthy"                 // api is never healthy
	OldVersion             Fault = "old-version"               // api is healthy, but serves the release before
	OneUnhealthy           Fault = "one-unhealthy"             // orders is never healthy, all others are fine
	MigrationFails         Fault = "migration-fails"           // the migration fails after steps that are committed
	AppFailsAfterMigration Fault = "app-fails-after-migration" // the migration succeeds, then api does not start
	MigrationDeletes       Fault = "migration-deletes"         // the migration deletes rows, then api does not start
	Slow                   Fault = "slow"                      // api answers ten times slower
	NoDatabase             Fault = "no-database"               // api cannot reach the database
	IgnoresSIGTERM         Fault = "ignores-sigterm"           // api has to be killed
)

// All are the faults without None.
func All() []Fault {
	return []Fault{
		Crash, Dies, Unhealthy, OldVersion, OneUnhealthy, MigrationFails, AppFailsAfterMigration, MigrationDeletes,
		Slow, NoDatabase, IgnoresSIGTERM,
	}
}

// Services are the services whose images carry the fault.
func (f Fault) Services() []string {
	switch f {
	case None:
		return nil
	case OneUnhealthy:
		return []string{"orders"}
	case MigrationFails:
		return []string{"migrate"}
	case AppFailsAfterMigration, MigrationDeletes:
		return []string{"migrate", "api"}
	default:
		return []string{"api"}
	}
}

// In reports whether the image of service carries the fault.
func (f Fault) In(service string) bool { return slices.Contains(f.Services(), service) }

// Migrates reports whether the third release has migrations of its own under this fault. With a fault that has nothing
// to do with the database it has none, so that promoting it changes the schema of no environment at release 2.
func (f Fault) Migrates() bool {
	switch f {
	case None, MigrationFails, AppFailsAfterMigration, MigrationDeletes:
		return true
	default:
		return false
	}
}
