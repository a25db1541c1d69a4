// Package compare turns two snapshots of environments into findings, a readiness score, its coverage and a verdict. It is
// pure: it reads nothing and imports no adapter, and the same input gives the same bytes.
package compare

import (
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// Area is one of the six parts of a comparison.
type Area string

// The areas, in the order in which they are shown.
const (
	Versions      Area = "versions"
	Schema        Area = "schema" // and data
	Configuration Area = "configuration"
	Flags         Area = "flags"
	Performance   Area = "performance"
	Readiness     Area = "readiness"
)

// Areas are all of them, in the order in which they are shown.
func Areas() []Area {
	return []Area{Versions, Schema, Configuration, Flags, Performance, Readiness}
}

// Severity says how much a finding weighs.
type Severity string

// Info is a difference that a promotion is expected to move; it costs nothing.
const (
	Info Severity = "info"
	Warn Severity = "warn"
	Fail Severity = "fail"
)

// Hazard is what a schema difference would meet as a migration of the target towards the source.
type Hazard string

// The hazards, worst first.
const (
	DeletesData     Hazard = "deletes-data"
	FailsOnRows     Hazard = "fails-on-rows"     // checked against the target's rows: it will fail
	MayFailOnRows   Hazard = "may-fail-on-rows"  // could not be checked
	BreaksOldCode   Hazard = "breaks-old-code"   // the running application meets what it does not know
	RewritesTable   Hazard = "rewrites-table"    //
	LocksTable      Hazard = "locks-table"       // an ACCESS EXCLUSIVE lock for longer than a moment
	BuildsIndex     Hazard = "builds-index"      // writes wait meanwhile
	ChangesBehavior Hazard = "changes-behaviour" // functions, triggers, policies, grants
)

// Finding is one difference, or one fact about readiness.
type Finding struct {
	ID        string      `json:"id"` // stable: area/kind/subject; what an acceptance names
	Area      Area        `json:"area"`
	Kind      string      `json:"kind"` // such as column-missing; documented in score.md
	Subject   string      `json:"subject"`
	From      string      `json:"from,omitempty"` // never a secret
	To        string      `json:"to,omitempty"`
	Severity  Severity    `json:"severity"`
	Hazards   []Hazard    `json:"hazards,omitempty"` // worst first
	Rows      *int64      `json:"rows,omitempty"`    // rows of the target that it meets, where that was counted
	Objective string      `json:"objective"`         // the objective that it lowers, or informs
	Message   string      `json:"message"`
	Do        string      `json:"do,omitempty"` // the next step for a person
	Accepted  *Acceptance `json:"accepted,omitempty"`
}

// Acceptance is a difference that somebody has accepted, with a reason, until a day.
type Acceptance struct {
	Finding string    `json:"finding"` // an ID, with * for any run of characters
	Reason  string    `json:"reason"`
	Until   time.Time `json:"until"` // accepted before the end of that day, UTC
}

// Objective is one question with a weight. Its status is the worst of its findings: pass, warn, fail; skip where it
// does not apply (no weight at all); error where it should have been measured and was not (no score, less coverage).
type Objective struct {
	ID     string           `json:"id"`
	Area   Area             `json:"area"`
	Title  string           `json:"title"`
	Weight float64          `json:"weight"`
	Key    bool             `json:"key,omitempty"` // its failure makes the verdict not-ready whatever the score
	Status promotion.Status `json:"status"`
	Lost   float64          `json:"lost"`            // points of the score, 0 to 100
	Why    string           `json:"why,omitempty"`   // of a loss, or of a missing measurement
	Do     string           `json:"do,omitempty"`    // what would win it back
	Count  int              `json:"count,omitempty"` // findings that lower it
}

// AreaResult is one area with its own score and coverage.
type AreaResult struct {
	Area     Area     `json:"area"`
	Score    *float64 `json:"score"`    // nil: nothing measured
	Coverage float64  `json:"coverage"` // 0 to 100
	Equal    bool     `json:"equal"`    // measured in full, and no difference
	Findings int      `json:"findings"`
	Missing  []string `json:"missing,omitempty"` // what could not be read, with the reason
}

// Verdict is the answer to "is it safe to promote now".
type Verdict string

// The verdicts.
const (
	Ready    Verdict = "ready"
	Caution  Verdict = "caution"
	NotReady Verdict = "not-ready"
	Unknown  Verdict = "unknown" // too little was measured
)

// Outcome is the exit code of a verdict: done, refused or inconclusive.
func (v Verdict) Outcome() promotion.Outcome {
	switch v {
	case Ready:
		return promotion.Done
	case NotReady:
		return promotion.Refused
	default:
		return promotion.Inconclusive
	}
}

// Comparison is the result.
type Comparison struct {
	Schema     string       `json:"schema"` // promote.comparison/1
	From       Side         `json:"from"`
	To         Side         `json:"to"`
	At         time.Time    `json:"at"`
	Verdict    Verdict      `json:"verdict"`
	Why        string       `json:"why"`      // of the verdict, in one sentence
	Score      *float64     `json:"score"`    // 0 to 100; what is missing has earned nothing; nil where nothing was measured
	Measured   *float64     `json:"measured"` // the same over what was measured alone: equal to Score where nothing is missing
	Coverage   float64      `json:"coverage"` // 0 to 100
	Policy     Policy       `json:"policy"`
	Blocking   []Objective  `json:"blocking,omitempty"` // key objectives that failed
	Areas      []AreaResult `json:"areas"`
	Objectives []Objective  `json:"objectives"`
	Findings   []Finding    `json:"findings"` // by area, severity and id
	Services   []Move       `json:"services"` // what a promotion would change, service by service
	Commits    []Commit     `json:"commits,omitempty"`
	Rehearsal  *Rehearsal   `json:"rehearsal,omitempty"`
	Expired    []Acceptance `json:"expired,omitempty"`
}

// Side is one of the two environments.
type Side struct {
	Environment string    `json:"environment"`
	Project     string    `json:"project,omitempty"`
	TakenAt     time.Time `json:"taken_at,omitzero"`
	Saved       bool      `json:"saved,omitempty"`   // read from a file
	Missing     string    `json:"missing,omitempty"` // why there is no snapshot at all
}

// Direction says where the target's version of a service stands, seen from the source's.
type Direction string

// The directions. Ahead: the source is newer, which is what a promotion moves.
const (
	Same             Direction = "same"
	Ahead            Direction = "ahead"
	Behind           Direction = "behind" // a promotion would go backwards
	Diverged         Direction = "diverged"
	UnknownDirection Direction = "unknown"
	OnlyFrom         Direction = "only-from"
	OnlyTo           Direction = "only-to"
)

// Move is one service side by side.
type Move struct {
	Service   string    `json:"service"`
	Critical  bool      `json:"critical,omitempty"`
	Direction Direction `json:"direction"`
	From      Version   `json:"from"`
	To        Version   `json:"to"`
	Commits   int       `json:"commits,omitempty"`
}

// Version is what runs of a service.
type Version struct {
	Image    string    `json:"image,omitempty"`
	ImageID  string    `json:"image_id,omitempty"`
	Digest   string    `json:"digest,omitempty"`
	Version  string    `json:"version,omitempty"`  // label or version endpoint
	Revision string    `json:"revision,omitempty"` // commit
	Created  time.Time `json:"created,omitzero"`
	Replicas int       `json:"replicas,omitempty"`
}

// Commit is one commit between what runs at the target and what would be promoted, newest first.
type Commit struct {
	Hash    string    `json:"hash"`
	Subject string    `json:"subject"`
	Author  string    `json:"author"`
	At      time.Time `json:"at"`
}

// Lineage is what git says of two revisions.
type Lineage struct {
	From      string    `json:"from"`
	To        string    `json:"to"`
	Direction Direction `json:"direction"`
	Commits   []Commit  `json:"commits,omitempty"` // reachable from From and not from To
}

// Policy are the limits of the verdict, and the weights where they differ from the defaults.
type Policy struct {
	Ready    float64            `json:"ready"`    // score from which it is ready
	Caution  float64            `json:"caution"`  // score from which it is caution
	Coverage float64            `json:"coverage"` // below it the verdict is unknown
	Weights  map[string]float64 `json:"weights,omitempty"`
}

// DefaultPolicy is 90, 75 and 80.
func DefaultPolicy() Policy { return Policy{Ready: 90, Caution: 75, Coverage: 80} }

// Input is all that a comparison is made of. What is nil was not measured, and counts as missing, never as equal.
type Input struct {
	From, To       *snapshot.Snapshot
	Names          [2]string // of the two environments, for a side that has no snapshot
	FromWhy, ToWhy string    // why a snapshot is nil
	Saved          [2]bool
	Services       map[string]Service             // what the configuration says of them
	Planned        map[string][]snapshot.Variable // what the target's Compose files will set, by service; without an entry its container's variables count
	FlagSources    []string                       // names of the configured sources of flags: one that a side did not read is missing
	Lineages       []Lineage                      // one for each pair of differing revisions; direction unknown where git was asked and cannot tell
	Probes         []ProbeResult                  // answers of the target to Probes
	Latency        []Latency                      // one for each endpoint that was to be sampled, also where it failed
	PerformanceOff string                         // why no samples were asked for; the objectives are then skipped, not missing
	Tests          []promotion.Check              // of the source
	TestedAt       time.Time
	Preflight      []promotion.Check // of the target: backup, rollback, disk, lock, rights
	Rehearsal      *Rehearsal
	Rules          Rules
	Policy         Policy
	Accepted       []Acceptance
	Now            time.Time
}

// Service is what the configuration says of a service.
type Service struct {
	Critical  bool
	OneShot   bool
	Endpoint  bool     // it has a version endpoint: one that a side was not asked for is missing
	P95       float64  // threshold in milliseconds, 0: none
	ErrorRate *float64 // threshold, 0 to 1; nil: none
}
