package promotion

import "time"

// EventType says what an event reports.
type EventType string

// The kinds of events. Started and ended events of one step or phase carry the same Phase and Step.
const (
	PhaseStarted EventType = "phase-started"
	PhaseEnded   EventType = "phase-ended"
	StepStarted  EventType = "step-started"
	StepProgress EventType = "step-progress"
	StepEnded    EventType = "step-ended"
	CheckEnded   EventType = "check-ended"
	Note         EventType = "note"  // something a person should read; Level says how loud
	Asked        EventType = "asked" // the agent wants a command run by its driver; Ask is set
	Ended        EventType = "ended" // the promotion or the asked phases are over; Outcome is set
)

// Event is one numbered thing that happened. Seq grows by one within a promotion at the target, across restarts of the
// agent; events of the driver carry Seq 0.
type Event struct {
	Seq      int64     `json:"seq"`
	Time     time.Time `json:"time"`
	Type     EventType `json:"type"`
	Phase    Phase     `json:"phase,omitempty"`
	Step     string    `json:"step,omitempty"`    // name of the step, unique within its plan
	Message  string    `json:"message,omitempty"` // one line
	Status   Status    `json:"status,omitempty"`  // of what ended
	Level    string    `json:"level,omitempty"`   // of a note: info, warning, error
	Done     int64     `json:"done,omitempty"`    // progress in Unit
	Total    int64     `json:"total,omitempty"`   // 0 when unknown
	Unit     string    `json:"unit,omitempty"`    // "bytes", "services", …
	Undo     bool      `json:"undo,omitempty"`    // the step is being undone
	Took     Duration  `json:"took,omitempty"`    // of what ended
	Outcome  Outcome   `json:"outcome,omitempty"` // of ended
	Failure  *Failure  `json:"failure,omitempty"`
	Ask      *Ask      `json:"ask,omitempty"`
	Check    *Check    `json:"check,omitempty"`
	Estimate Duration  `json:"estimate,omitempty"` // of what started
}

// Ask is a command of the project that only the driver can run, where the project's files are.
type Ask struct {
	ID      int64    `json:"id"`
	Args    []string `json:"args"`
	Dir     string   `json:"dir"`
	Timeout Duration `json:"timeout"`
}

// Duration marshals as milliseconds, so that readers need no parser for Go's notation.
type Duration int64

// Milliseconds makes a Duration of d, rounded to the nearest millisecond.
func Milliseconds(d time.Duration) Duration {
	return Duration(d.Round(time.Millisecond) / time.Millisecond)
}

// Time is d as a time.Duration.
func (d Duration) Time() time.Duration { return time.Duration(d) * time.Millisecond }

func (d Duration) String() string {
	t := d.Time()
	switch {
	case t < 10*time.Second:
		return t.Round(10 * time.Millisecond).String()
	case t < time.Minute:
		return t.Round(100 * time.Millisecond).String()
	default:
		return t.Round(time.Second).String()
	}
}
