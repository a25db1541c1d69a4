package journal

import (
	"slices"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// StepState is how far a step is.
type StepState string

// The states of a step.
const (
	StepPending      StepState = "pending"
	StepIntended     StepState = "intended"      // may or may not have happened
	StepDone         StepState = "done"          //
	StepFailed       StepState = "failed"        // may have happened in part
	StepUndoIntended StepState = "undo-intended" // may or may not have been undone
	StepUndone       StepState = "undone"        //
	StepUndoFailed   StepState = "undo-failed"   // may have been undone in part
)

// Touched reports whether something of the step may be at the target.
func (s StepState) Touched() bool { return s != StepPending && s != StepUndone && s != "" }

// State is a promotion as its journal tells it.
type State struct {
	Begun       bool
	Steps       map[string]StepState // steps with a record; see Step
	Order       []string             // the same steps, by the first intent of each
	RollingBack bool                 // a step was or is to be undone, or phase rollback has started
	Canceled    bool                 // someone asked to stop
	Phase       promotion.Phase      // the last one that started
	Outcome     promotion.Outcome    // empty while it is not over
	LastTime    time.Time            // of the last record
}

// Step is the state of the named step, pending when there is no record of it.
func (s State) Step(name string) StepState {
	if state, ok := s.Steps[name]; ok {
		return state
	}
	return StepPending
}

// Unfinished reports whether the promotion began and is not over.
func (s State) Unfinished() bool { return s.Begun && s.Outcome == "" }

// StateOf replays records. A begin after an outcome opens the promotion again, for a rollback that is asked for later: what its
// steps did stays known.
func StateOf(records []Record) State {
	s := State{Steps: map[string]StepState{}}
	for _, r := range records {
		s.apply(r)
	}
	return s
}

func (s *State) apply(r Record) {
	s.LastTime = r.Time
	switch r.Type {
	case Begin:
		if s.Outcome != "" {
			s.Outcome, s.Canceled, s.RollingBack, s.Phase = "", false, false, ""
		}
		s.Begun = true
	case Phase:
		s.Phase = r.Phase
		s.RollingBack = s.RollingBack || r.Phase == promotion.Rollback
	case Intent:
		s.set(r.Step, StepIntended)
	case Done:
		s.set(r.Step, StepDone)
	case Failed:
		s.set(r.Step, StepFailed)
	case UndoIntent:
		s.set(r.Step, StepUndoIntended)
		s.RollingBack = true
	case Undone:
		s.set(r.Step, StepUndone)
		s.RollingBack = true
	case UndoFailed:
		s.set(r.Step, StepUndoFailed)
		s.RollingBack = true
	case Cancel:
		s.Canceled = true
	case Outcome:
		s.Outcome = r.Outcome
	case Note:
	}
}

func (s *State) set(step string, state StepState) {
	if !slices.Contains(s.Order, step) {
		s.Order = append(s.Order, step)
	}
	s.Steps[step] = state
}
