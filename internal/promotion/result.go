package promotion

import "time"

// Outcome is how a promotion, a rollback or a part of one ended, in one word.
type Outcome string

// The outcomes, each with its exit code.
const (
	Done           Outcome = "done"            // 0: the target runs the new release (or, of a part, the asked phases ended well)
	Refused        Outcome = "refused"         // 3: nothing at the target was touched
	Canceled       Outcome = "cancelled"       // 3: stopped on request before anything was touched
	RolledBack     Outcome = "rolled-back"     // 4: failed, and the target is back at its restore point
	RollbackFailed Outcome = "rollback-failed" // 5: failed, and the target needs a person
	Locked         Outcome = "locked"          // 6: another promotion holds the target
	Inconclusive   Outcome = "inconclusive"    // 7: caution or unknown where the policy stops on it
	Running        Outcome = "running"         // not over yet
	Restored       Outcome = "restored"        // 0: a rollback that was asked for ended well; never shown as a success of the release
	Accepted       Outcome = "accepted"        // 0: not rolled back, and a person has put the target right and said so
	Unknown        Outcome = "unknown"         // in a history: it cannot be read how the promotion ended
)

// Code is the exit code of the outcome.
func (o Outcome) Code() int {
	switch o {
	case Done, Restored, Accepted:
		return 0
	case Refused, Canceled:
		return 3
	case RolledBack:
		return 4
	case RollbackFailed:
		return 5
	case Locked:
		return 6
	case Inconclusive:
		return 7
	default:
		return 1
	}
}

// Result is the account of one promotion: what `--format json` prints and every report is made from.
type Result struct {
	Schema      string        `json:"schema"` // promote.result/1
	Command     string        `json:"command"`
	ID          string        `json:"id"`
	From        string        `json:"from,omitempty"`
	To          string        `json:"to"`
	Project     string        `json:"project"`
	By          string        `json:"by,omitempty"`
	Release     string        `json:"release,omitempty"`
	Commit      string        `json:"commit,omitempty"`
	Outcome     Outcome       `json:"outcome"`
	Reason      string        `json:"reason,omitempty"` // one sentence
	Class       string        `json:"rollback_class,omitempty"`
	Started     time.Time     `json:"started"`
	Ended       time.Time     `json:"ended"`
	Downtime    Duration      `json:"downtime,omitempty"`           // first service stopped to last service healthy
	EstDowntime Duration      `json:"downtime_estimated,omitempty"` // as the plan said
	EstBasis    string        `json:"downtime_basis,omitempty"`     // of that: measured, or which parts of it are guesses
	Phases      []PhaseResult `json:"phases"`
	Checks      []Check       `json:"checks,omitempty"`
	Failure     *Failure      `json:"failure,omitempty"` // of the release
	Rollback    []string      `json:"rollback_errors,omitempty"`
	Proof       *Proof        `json:"proof,omitempty"` // that the target equals its restore point, or the release
	Left        []string      `json:"left,omitempty"`  // what a person has to do by hand
	Kept        []string      `json:"kept,omitempty"`  // databases, images, volumes kept, and until when
	Warnings    []string      `json:"warnings,omitempty"`
	BackupPath  string        `json:"backup,omitempty"`
	LogPath     string        `json:"log,omitempty"`
	ReportPath  string        `json:"report,omitempty"`
	Next        []string      `json:"next,omitempty"` // commands worth running now
}

// PhaseResult is one phase as it went.
type PhaseResult struct {
	Phase   Phase        `json:"phase"`
	Status  Status       `json:"status"`
	Reason  string       `json:"reason,omitempty"` // of a skip or a failure
	Started time.Time    `json:"started,omitzero"`
	Took    Duration     `json:"took"`
	Steps   []StepResult `json:"steps,omitempty"`
}

// StepResult is one step as it went.
type StepResult struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Status      Status   `json:"status"`
	Message     string   `json:"message,omitempty"`
	Took        Duration `json:"took"`
	Estimate    Duration `json:"estimate,omitempty"`
	Basis       string   `json:"basis,omitempty"` // of the estimate: what was measured for it, or that nothing was
}

// Failure is why a promotion did not go on.
type Failure struct {
	Phase   Phase    `json:"phase"`
	Step    string   `json:"step,omitempty"`
	Message string   `json:"message"`
	Service string   `json:"service,omitempty"` // the culprit
	Health  []string `json:"health,omitempty"`  // its last health probes, oldest first
	Log     []string `json:"log,omitempty"`     // its last log lines
	Hint    string   `json:"hint,omitempty"`
}

// Proof compares what is with what has to be, item by item.
type Proof struct {
	Of    string      `json:"of"` // "restore point 2026…" or "release …"
	Equal bool        `json:"equal"`
	Items []ProofItem `json:"items"`
}

// ProofItem is one compared thing.
type ProofItem struct {
	Area   string `json:"area"` // images, configuration, schema, rows, volumes, health
	Name   string `json:"name"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	Equal  bool   `json:"equal"`
	Reason string `json:"reason,omitempty"` // of a difference, or why it could not be compared
}

// Holds computes Equal: there is at least one item and all are equal.
func (p *Proof) Holds() bool {
	p.Equal = len(p.Items) > 0
	for _, item := range p.Items {
		if !item.Equal {
			p.Equal = false
		}
	}
	return p.Equal
}
