package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Case is one promotion and all that goes wrong with it.
type Case struct {
	Shape  Shape
	Faults [][]Fault // of the first process, the second, …; those after the last one are spared
	// Then asks for a rollback when the promotion is done: "", "back" or "keep-data". Its processes have faults of their own.
	Then       string
	ThenFaults [][]Fault
	Torn       bool // a killed writer leaves the beginning of a record
}

func (c Case) String() string {
	s := fmt.Sprintf("%v faults=%v torn=%t", c.Shape, c.Faults, c.Torn)
	if c.Then != "" {
		s += fmt.Sprintf(" then=%s %v", c.Then, c.ThenFaults)
	}
	return s
}

// Run is a case as it went.
type Run struct {
	Case       Case
	World      *World
	Plan       plan.Plan
	Processes  int
	Outcome    promotion.Outcome
	Violations []string
	Account    promotion.Result
	Proof      promotion.Proof
	Left       []string
	Moments    []int // of each process
	path       string
	retry      time.Duration
	then       bool  // the rollback that is asked for when it is done
	cause      error // of the cancellation
}

// limit is how many processes a case may need.
const limit = 12

// Play runs one case to its end, with its journal in dir.
func Play(dir string, c Case) *Run { return play(dir, c, nil, 50*time.Microsecond) }

func play(dir string, c Case, real Backend, retry time.Duration) *Run {
	r := &Run{Case: c, World: NewWorld(c.Shape), retry: retry, path: filepath.Join(dir, "journal"), cause: fmt.Errorf("%w by the operator", promote.ErrCancelled)}
	if r.World.real = real; real != nil {
		real.Reset(r.World)
	}
	defer os.Remove(r.path)
	var err error
	if r.Plan, err = r.World.Plan(); err != nil {
		r.violate("plan: %v", err)
		return r
	}
	if r.excused() { // what lasts for good is not waited for
		r.Plan.Policy.Deadline = 12
	}
	r.drive(c.Faults, r.forward)
	if len(r.Violations) == 0 {
		r.judge()
	}
	if len(r.Violations) == 0 && r.Outcome == promotion.RollbackFailed && len(r.World.Late) == 0 {
		r.again()
	}
	if len(r.Violations) == 0 && r.Outcome == promotion.Done && c.Then != "" {
		options := promote.RollbackOptions{KeepData: c.Then == "keep-data"}
		asked := false
		r.then = true
		r.World.Cancelled = false
		r.drive(c.ThenFaults, func(ctx context.Context, runner *promote.Runner) (promotion.Outcome, error) {
			if !asked || runner.Journal.State().Outcome == promotion.Done { // a person whose call never got through calls again
				asked = true
				return runner.Back(ctx, "asked for", options, true)
			}
			return runner.Resume(ctx, Mutating)
		})
		if len(r.Violations) == 0 {
			r.judge()
		}
		if len(r.Violations) == 0 && r.Outcome == promotion.RollbackFailed && len(r.World.Late) == 0 {
			r.again()
		}
	}
	return r
}

// again is the person who has read what is left, and calls for the rollback once more.
func (r *Run) again() {
	options := promote.RollbackOptions{KeepData: r.keeps()}
	r.Plan.Policy.Deadline = 60_000
	r.drive(nil, func(ctx context.Context, runner *promote.Runner) (promotion.Outcome, error) {
		return runner.Back(ctx, "asked for again", options, true)
	})
	if len(r.Violations) == 0 {
		r.judge()
	}
	if r.Outcome != promotion.Restored {
		r.violate("a second rollback without faults ends as %s: %v, late %v", r.Outcome, r.Account.Rollback, r.World.Late)
	}
}

func (r *Run) violate(format string, args ...any) {
	r.Violations = append(r.Violations, fmt.Sprintf(format, args...))
}

// forward is what the agent does when it starts: a promotion that has touched something goes on by itself, any other one
// waits for its driver, who calls again or has given up.
func (r *Run) forward(ctx context.Context, runner *promote.Runner) (promotion.Outcome, error) {
	s := runner.Journal.State()
	if runner.Begun() || s.RollingBack {
		return runner.Resume(ctx, Mutating)
	}
	if r.World.Cancelled {
		return promotion.Canceled, runner.Abandon(promotion.Canceled, "cancelled")
	}
	if !s.Begun {
		begun, err := json.Marshal(promote.Begun{By: "somebody"})
		if err != nil {
			return "", err
		}
		if _, err := runner.Journal.Append(journal.Record{Type: journal.Begin, Data: begun}); err != nil {
			return "", err
		}
	}
	for _, item := range r.Plan.Of(promotion.Backup) {
		if _, sends := item.Step.(*step.SendBackup); sends {
			r.World.send()
		}
		if item.Side == "driver" && s.Step(item.Name) != journal.StepDone {
			if err := runner.Record(promotion.Backup, item.Name, nil, 0, nil); err != nil {
				return "", err
			}
		}
	}
	if outcome, err := runner.Run(ctx, []promotion.Phase{promotion.Backup}); outcome != promotion.Running || err != nil {
		return outcome, err
	}
	return runner.Run(ctx, Mutating)
}

// drive starts processes until the promotion is over.
func (r *Run) drive(faults [][]Fault, do func(context.Context, *promote.Runner) (promotion.Outcome, error)) {
	for n := 0; ; n++ {
		if n == limit {
			r.violate("not over after %d processes", n)
			return
		}
		var due []Fault
		if n < len(faults) {
			due = faults[n]
		}
		over, err := r.process(due, do)
		if err != nil {
			r.violate("process %d: %v", n, err)
		}
		if over || err != nil {
			return
		}
	}
}

// process is one life of the agent.
func (r *Run) process(faults []Fault, do func(context.Context, *promote.Runner) (promotion.Outcome, error)) (over bool, err error) {
	r.Processes++
	j, _, err := journal.Open(r.path)
	if err != nil {
		return false, err
	}
	defer j.Close()
	runner := &promote.Runner{ID: ID, Plan: r.Plan, Target: r.World.Target(), Journal: Journal{j, r.World}, Emit: func(promotion.Event) {}, Retry: r.retry}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	r.World.Arm(faults, cancel, r.cause)
	var outcome promotion.Outcome
	dead := Killed(func() { outcome, err = do(ctx, runner) })
	r.Moments = append(r.Moments, r.World.Moments())
	r.World.Arm(nil, cancel, nil)
	if dead {
		if r.Case.Torn {
			if err := tear(r.path); err != nil {
				return false, err
			}
		}
		return false, nil
	}
	state := j.State()
	r.Outcome = state.Outcome
	r.Proof = runner.Proof()
	r.Left = runner.Left()
	r.Account = promote.Account(ID, r.Plan, j.Records(), r.Proof)
	if state.Outcome == "" {
		if err == nil {
			return false, fmt.Errorf("ended as %s without an outcome", outcome)
		}
		if !errors.Is(err, ErrNoSpace) {
			return false, fmt.Errorf("no outcome: %w", err)
		}
		return false, nil // its journal could not be written; the next process goes on
	}
	if outcome != state.Outcome {
		return false, fmt.Errorf("ended as %s, the journal says %s", outcome, state.Outcome)
	}
	before, records := r.World.Describe(), len(j.Records())
	if again, err := runner.Resume(context.Background(), Mutating); again != state.Outcome || err != nil || len(j.Records()) != records || r.World.Describe() != before {
		return false, fmt.Errorf("resuming what is over: %s, %w, %d records more", again, err, len(j.Records())-records)
	}
	return true, nil
}

// tear leaves the beginning of a record, as a process does that is killed while it writes.
func tear(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(`7 2026-01-31T23:59:59Z 0123456789abcdef {"type":"inte`)
	return errors.Join(err, f.Close())
}

// keeps reports whether a rollback is under way that keeps the data.
func (r *Run) keeps() bool { return r.then && r.Case.Then == "keep-data" }

// Report tells a violation with all that is needed to see it again.
func (r *Run) Report() string {
	trace := r.World.Trace()
	return fmt.Sprintf("%v\noutcome %s after %d processes\n  %s\ntrace:\n  %s", r.Case, r.Outcome, r.Processes, strings.Join(r.Violations, "\n  "), strings.Join(trace[max(0, len(trace)-400):], "\n  "))
}
