// Package agent is the half of the program that runs beside an environment, in a container on its engine. It reads the
// environment from inside, runs checks, and executes a promotion without needing its caller; the driver talks to it over
// a stream that the engine carries.
package agent

import (
	"encoding/json"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// Protocol is the version of the calls between the halves. Both sides must have the same.
const Protocol = 1

// StateDir is where the state volume is mounted.
const StateDir = "/state"

// Labels of everything that promote makes on an engine.
const (
	LabelRole      = "dev.promote.role" // agent, reader, tool, state
	LabelProject   = "dev.promote.project"
	LabelBy        = "dev.promote.by"
	LabelSince     = "dev.promote.since"
	LabelPromotion = "dev.promote.promotion"
	LabelVersion   = "dev.promote.version"
)

// Name is the name of the one container that may promote a project.
func Name(project string) string { return "promote-" + project }

// StateVolume is the volume that holds the journal and the restore points of a project.
func StateVolume(project string) string { return "promote-state-" + project }

// Spec describes an environment to the agent. It holds passwords: it is stored with mode 0600 and never printed.
type Spec struct {
	Environment string                 `json:"environment"`
	Project     string                 `json:"project"`
	Services    map[string]ServiceSpec `json:"services"`
	Databases   []DatabaseSpec         `json:"databases,omitempty"` // empty: every PostgreSQL service is found
	Custom      []check.Custom         `json:"custom,omitempty"`    // those of the verify stage, or of the asked test
	Volumes     map[string]string      `json:"volumes,omitempty"`
	Timeout     time.Duration          `json:"timeout"`         // of one check
	Image       string                 `json:"image"`           // of the agent itself, for helper containers
	Stats       bool                   `json:"stats,omitempty"` // read the use of processor and memory too, which takes seconds
}

// ServiceSpec is what the configuration and the Compose model say about a service.
type ServiceSpec struct {
	Kind           string              `json:"kind,omitempty"`
	Critical       bool                `json:"critical"`
	OneShot        bool                `json:"one_shot,omitempty"`
	Replicas       int                 `json:"replicas,omitempty"`
	Ports          []int               `json:"ports,omitempty"`
	DependsOn      []engine.Dependency `json:"depends_on,omitempty"`
	Health         check.Health        `json:"health"`
	Version        check.Version       `json:"version"`
	StartupTimeout time.Duration       `json:"startup_timeout"`
	P95            time.Duration       `json:"p95,omitempty"`
	ErrorRate      float64             `json:"error_rate,omitempty"`
	Injected       []string            `json:"injected,omitempty"` // paths of configs and secrets that Compose copies into the container
}

// DatabaseSpec is a database, or all of a server, as the configuration names it.
type DatabaseSpec struct {
	Name     string `json:"name"`
	Service  string `json:"service,omitempty"`
	Database string `json:"database,omitempty"` // empty: all of the server
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	URL      string `json:"url,omitempty"`
}

// Info is what an agent says about itself.
type Info struct {
	Protocol  int               `json:"protocol"`
	Version   string            `json:"version"`
	Project   string            `json:"project,omitempty"`
	Reader    bool              `json:"reader,omitempty"`
	Promotion string            `json:"promotion,omitempty"` // under way
	Phase     promotion.Phase   `json:"phase,omitempty"`
	Step      string            `json:"step,omitempty"`
	Outcome   promotion.Outcome `json:"outcome,omitempty"`
	By        string            `json:"by,omitempty"`
	Since     time.Time         `json:"since,omitzero"`
	Idle      bool              `json:"idle,omitempty"`    // the promotion waits for its next phase
	Problem   *Error            `json:"problem,omitempty"` // why it can do nothing: its state volume cannot be used
}

// Goodbye is what an agent says to a driver that leaves.
type Goodbye struct {
	Project string `json:"project"`
	Empty   bool   `json:"empty"` // its state volume holds nothing, and need not be kept
}

// CheckRequest asks for checks of the environment.
type CheckRequest struct {
	Spec Spec     `json:"spec"`
	Only []string `json:"only,omitempty"`
	// Commander: commands are run by the driver, which adds their results itself.
}

// Begin hands over all that a promotion needs at its target.
type Begin struct {
	ID    string            `json:"id"`
	By    string            `json:"by"`
	Plan  plan.Plan         `json:"plan"`
	Spec  Spec              `json:"spec"`
	Model []byte            `json:"model,omitempty"` // of the new release, pinned
	Files map[string][]byte `json:"files,omitempty"` // configuration as it is now, by path, for the backup
}

// PreflightRequest asks for what only the target can prove.
type PreflightRequest struct {
	Spec Spec      `json:"spec"`
	Plan plan.Plan `json:"plan"`
}

// MeasureRequest asks what the plan's steps will take at the target.
type MeasureRequest struct {
	Spec Spec      `json:"spec"`
	Plan plan.Plan `json:"plan"`
	Read bool      `json:"read,omitempty"` // only by reading: no throwaway database is made
}

// CheckoutRequest asks for the state of a git checkout on the engine's host.
type CheckoutRequest struct {
	Spec Spec   `json:"spec"`
	Path string `json:"path"`
}

// Report is what the driver did itself: a phase, or a step of one.
type Report struct {
	ID      string             `json:"id"`
	Phase   promotion.Phase    `json:"phase"`
	Step    string             `json:"step,omitempty"` // empty: the phase
	Checks  []promotion.Check  `json:"checks,omitempty"`
	Took    promotion.Duration `json:"took"`
	Failure *promotion.Failure `json:"failure,omitempty"`
}

// RunRequest asks for phases; events after After are sent while they run.
type RunRequest struct {
	ID     string            `json:"id"`
	Phases []promotion.Phase `json:"phases"`
	After  int64             `json:"after"`
}

// RollbackRequest asks for a rollback of a promotion that is over or rests between two phases.
type RollbackRequest struct {
	ID            string `json:"id"`
	By            string `json:"by"`
	Spec          *Spec  `json:"spec,omitempty"` // passwords may have changed since
	KeepData      bool   `json:"keep_data,omitempty"`
	DiscardWrites bool   `json:"discard_writes,omitempty"`
	Force         bool   `json:"force,omitempty"` // keep data although the old release is not known to work with it
	After         int64  `json:"after"`
}

// AbandonRequest ends a promotion that has touched nothing.
type AbandonRequest struct {
	ID      string            `json:"id"`
	Outcome promotion.Outcome `json:"outcome"`
	Why     string            `json:"why"`
}

// Loss is what a rollback would lose in one table.
type Loss struct {
	Database string `json:"database"`
	Table    string `json:"table"`
	Added    int64  `json:"added"`
	Changed  int64  `json:"changed"`
	Removed  int64  `json:"removed"`
	Note     string `json:"note,omitempty"`
}

// Entry is one promotion in the history of a target.
type Entry struct {
	ID         string             `json:"id"`
	From       string             `json:"from"`
	To         string             `json:"to"`
	Release    string             `json:"release"`
	Commit     string             `json:"commit,omitempty"`
	Command    string             `json:"command"`
	Outcome    promotion.Outcome  `json:"outcome"`
	Reason     string             `json:"reason,omitempty"`
	By         string             `json:"by"`
	Phase      promotion.Phase    `json:"phase,omitempty"`
	Started    time.Time          `json:"started"`
	Took       promotion.Duration `json:"took"`
	Class      string             `json:"rollback_class,omitempty"`
	Restorable bool               `json:"restorable"`      // its restore point is still there
	Left       []string           `json:"left,omitempty"`  // to do by hand, of one that is not over or was not rolled back
	Error      string             `json:"error,omitempty"` // what of it cannot be read
}

// line is one line of a streamed answer: an event, the result, or an error.
type line struct {
	Event  *promotion.Event `json:"event,omitempty"`
	Result json.RawMessage  `json:"result,omitempty"`
	Error  *Error           `json:"error,omitempty"`
}

// Error is an error as it crosses the channel.
type Error struct {
	Message string            `json:"message"`
	Hint    string            `json:"hint,omitempty"`
	Outcome promotion.Outcome `json:"outcome,omitempty"`
	Losses  []Loss            `json:"losses,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Snapshot is what the agent returns of an environment.
type Snapshot = snapshot.Snapshot
