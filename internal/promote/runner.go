// Package promote runs a plan at its target: the steps of each phase in order, a journal record before and after every one,
// and the way back when anything fails. It decides nothing about containers or databases; the steps do.
package promote

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// ErrCancelled is the cause of a context that ended because someone asked for it.
var ErrCancelled = errors.New("cancelled")

// Journal is where the runner writes what it does; a record is on the disk when Append returns.
type Journal interface {
	Append(journal.Record) (journal.Record, error)
	Records() []journal.Record
	State() journal.State
}

// Runner runs one plan. It may be made anew after a crash: the journal says where to go on.
type Runner struct {
	ID      string
	Plan    plan.Plan
	Target  step.Target // its Progress, Note, Prove, Check, Started and ID are filled in by the runner
	Journal Journal
	Emit    func(promotion.Event)
	Retry   time.Duration // first pause before an undo is tried again; 0 is 2 s

	proof    *promotion.Proof // kept here too: the disk may be full
	proofErr error            // of the last try to write it down
}

// PhaseError is the failure of a phase.
type PhaseError struct {
	Phase   promotion.Phase
	Step    string
	Failure promotion.Failure
	Err     error
}

func (e *PhaseError) Error() string { return fmt.Sprintf("%s: %s: %v", e.Phase, e.Step, e.Err) }

func (e *PhaseError) Unwrap() error { return e.Err }

// PhaseMark is the name under which the journal holds the end of a phase.
func PhaseMark(p promotion.Phase) string { return "phase " + string(p) }

// Finished reports whether the phase has ended well.
func Finished(s journal.State, p promotion.Phase) bool {
	return s.Step(PhaseMark(p)) == journal.StepDone
}

// Begun reports whether a mutating step was ever begun and not undone: from then on a failure means a rollback.
func (r *Runner) Begun() bool {
	s := r.Journal.State()
	for _, item := range r.Plan.Steps {
		if item.Phase.Mutates() && s.Step(item.Name).Touched() {
			return true
		}
	}
	return false
}

// RunPhase does the agent's steps of one phase, those already done excepted. Its error is a *PhaseError, or the journal's.
func (r *Runner) RunPhase(ctx context.Context, phase promotion.Phase) error {
	started := time.Now()
	if err := r.append(journal.Record{Type: journal.Phase, Phase: phase}); err != nil {
		return err
	}
	r.Emit(promotion.Event{Type: promotion.PhaseStarted, Phase: phase})
	for _, item := range r.Plan.Of(phase) {
		if r.Journal.State().Step(item.Name) == journal.StepDone {
			continue
		}
		if item.Side == step.Driver {
			if phase == promotion.Backup {
				continue // the driver does its part around ours and reports it
			}
			return &PhaseError{Phase: phase, Step: item.Name, Err: step.ErrDriver}
		}
		if err := r.do(ctx, item); err != nil {
			r.Emit(promotion.Event{Type: promotion.PhaseEnded, Phase: phase, Status: promotion.Fail, Took: promotion.Milliseconds(time.Since(started))})
			return err
		}
	}
	if err := r.append(journal.Record{Type: journal.Done, Phase: phase, Step: PhaseMark(phase)}); err != nil {
		return err
	}
	r.Emit(promotion.Event{Type: promotion.PhaseEnded, Phase: phase, Status: promotion.Pass, Took: promotion.Milliseconds(time.Since(started))})
	return nil
}

// do runs one step between its two records.
func (r *Runner) do(ctx context.Context, item step.Item) error {
	if err := context.Cause(ctx); err != nil {
		return r.notBegun(item, err)
	}
	if err := r.append(journal.Record{Type: journal.Intent, Phase: item.Phase, Step: item.Name}); err != nil {
		return err
	}
	r.Emit(promotion.Event{Type: promotion.StepStarted, Phase: item.Phase, Step: item.Name, Message: item.Step.Describe(), Estimate: promotion.Milliseconds(item.Estimate)})
	started := time.Now()
	if item.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, item.Deadline, fmt.Errorf("not done within %s", item.Deadline))
		defer cancel()
	}
	t := r.target(item, false)
	err := item.Step.Do(ctx, &t)
	took := time.Since(started)
	if err == nil {
		if err := r.append(journal.Record{Type: journal.Done, Phase: item.Phase, Step: item.Name, Data: took2json(took)}); err != nil {
			return err
		}
		r.Emit(promotion.Event{Type: promotion.StepEnded, Phase: item.Phase, Step: item.Name, Message: item.Step.Describe(), Status: promotion.Pass, Took: promotion.Milliseconds(took)})
		return nil
	}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrCancelled):
		err = cause // how the step took it says nothing more
	case cause != nil && !errors.Is(err, cause):
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return r.failed(item, err, took)
}

// notBegun ends a phase before a step that has touched nothing: the failure is the phase's.
func (r *Runner) notBegun(item step.Item, err error) error {
	f := FailureOf(item, err)
	data, _ := json.Marshal(failedData{Failure: f})
	if jerr := r.append(journal.Record{Type: journal.Failed, Phase: item.Phase, Step: PhaseMark(item.Phase), Message: f.Message, Data: data}); jerr != nil {
		return errors.Join(err, jerr)
	}
	return &PhaseError{Phase: item.Phase, Step: item.Name, Failure: f, Err: err}
}

func (r *Runner) failed(item step.Item, err error, took time.Duration) error {
	f := FailureOf(item, err)
	data, _ := json.Marshal(failedData{Took: promotion.Milliseconds(took), Failure: f})
	if jerr := r.append(journal.Record{Type: journal.Failed, Phase: item.Phase, Step: item.Name, Message: f.Message, Data: data}); jerr != nil {
		return errors.Join(err, jerr)
	}
	r.Emit(promotion.Event{Type: promotion.StepEnded, Phase: item.Phase, Step: item.Name, Message: f.Message, Status: promotion.Fail, Failure: &f, Took: promotion.Milliseconds(took)})
	return &PhaseError{Phase: item.Phase, Step: item.Name, Failure: f, Err: err}
}

// FailureOf describes why a step failed.
func FailureOf(item step.Item, err error) promotion.Failure {
	f := promotion.Failure{Phase: item.Phase, Step: item.Name, Message: err.Error()}
	var s *step.ServiceError
	if errors.As(err, &s) {
		f.Service, f.Health, f.Log, f.Message = s.Service, s.Health, s.Log, s.Error()
	}
	var c *step.CheckError
	if errors.As(err, &c) && len(c.Checks) > 0 {
		f.Service, f.Log, f.Hint = c.Checks[0].Service, append(slices.Clone(c.Checks[0].Detail), f.Log...), c.Checks[0].Hint
	}
	return f
}

type failedData struct {
	Took    promotion.Duration `json:"took"`
	Failure promotion.Failure  `json:"failure"`
}

type tookData struct {
	Took promotion.Duration `json:"took"`
}

func took2json(d time.Duration) json.RawMessage {
	data, _ := json.Marshal(tookData{promotion.Milliseconds(d)})
	return data
}

// target is the step's view of the target.
func (r *Runner) target(item step.Item, undo bool) step.Target {
	t := r.Target
	t.ID = r.ID
	phase := item.Phase
	if undo {
		phase = promotion.Rollback
	}
	t.Progress = func(done, total int64, unit, message string) {
		r.Emit(promotion.Event{Type: promotion.StepProgress, Phase: phase, Step: item.Name, Done: done, Total: total, Unit: unit, Message: message, Undo: undo})
	}
	t.Note = func(level, message string) {
		data, _ := json.Marshal(level)
		_ = r.append(journal.Record{Type: journal.Note, Phase: phase, Step: item.Name, Message: message, Data: data, Undo: undo})
		r.Emit(promotion.Event{Type: promotion.Note, Phase: phase, Step: item.Name, Level: level, Message: message})
	}
	t.Prove = func(items ...promotion.ProofItem) { r.prove(items) }
	t.Check = func(c promotion.Check) {
		r.Emit(promotion.Event{Type: promotion.CheckEnded, Phase: phase, Step: item.Name, Check: &c, Status: c.Status})
		r.keepCheck(phase, c)
	}
	t.Started = func(kind string) bool {
		s := r.Journal.State()
		if strings.HasPrefix(kind, PhaseMark("")) { // a phase that failed before its first step has started nothing
			return s.Step(kind) == journal.StepDone
		}
		for name := range s.Steps {
			if name == kind || (len(name) > len(kind) && name[:len(kind)+1] == kind+" ") {
				return true
			}
		}
		return false
	}
	return t
}

func (r *Runner) append(rec journal.Record) error {
	if _, err := r.Journal.Append(rec); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// keepCheck stores a check's result beside the steps, for the account.
func (r *Runner) keepCheck(phase promotion.Phase, c promotion.Check) {
	_ = r.append(CheckRecord(phase, c))
}

// CheckRecord is how the journal holds the result of a check.
func CheckRecord(phase promotion.Phase, c promotion.Check) journal.Record {
	data, _ := json.Marshal(c)
	return journal.Record{Type: journal.Note, Phase: phase, Message: checkNote, Data: data}
}

// Record takes over what the driver did: checks of a phase, the end of a phase, or a step of its own.
func (r *Runner) Record(phase promotion.Phase, name string, checks []promotion.Check, took time.Duration, failure *promotion.Failure) error {
	if name == "" {
		if err := r.append(journal.Record{Type: journal.Phase, Phase: phase}); err != nil {
			return err
		}
		name = PhaseMark(phase)
	}
	for _, c := range checks {
		r.keepCheck(phase, c)
	}
	if failure != nil {
		data, _ := json.Marshal(failedData{Took: promotion.Milliseconds(took), Failure: *failure})
		return r.append(journal.Record{Type: journal.Failed, Phase: phase, Step: name, Message: failure.Message, Data: data})
	}
	return r.append(journal.Record{Type: journal.Done, Phase: phase, Step: name, Data: took2json(took)})
}

// Ready reports what has to be done before the phase may start, as the journal and the plan say.
func (r *Runner) Ready(phase promotion.Phase) error {
	s := r.Journal.State()
	if s.Outcome != "" {
		return fmt.Errorf("promotion %s is over: %s", r.ID, s.Outcome)
	}
	if s.RollingBack {
		return fmt.Errorf("promotion %s is being rolled back", r.ID)
	}
	for _, before := range promotion.Forward[:max(0, slices.Index(promotion.Forward, phase))] {
		if !r.Plan.Has(before) {
			continue
		}
		if !Finished(s, before) {
			return fmt.Errorf("phase %s of promotion %s has not ended well: run it before %s", before, r.ID, phase)
		}
		for _, item := range r.Plan.Of(before) {
			if s.Step(item.Name) != journal.StepDone {
				return fmt.Errorf("step %s of phase %s is not done", item.Name, before)
			}
		}
	}
	return nil
}

const checkNote = "check"

// ProofFile is where the restore point holds the proof of a rollback.
const ProofFile = "proof.json"

func (r *Runner) prove(items []promotion.ProofItem) {
	proof := r.Proof()
	for _, item := range items {
		at := slices.IndexFunc(proof.Items, func(p promotion.ProofItem) bool { return p.Area == item.Area && p.Name == item.Name })
		if at >= 0 {
			proof.Items[at] = item
		} else {
			proof.Items = append(proof.Items, item)
		}
	}
	slices.SortStableFunc(proof.Items, func(a, b promotion.ProofItem) int { return cmp.Compare(rank(a.Area), rank(b.Area)) })
	proof.Holds()
	r.proof = &proof
	data, err := json.Marshal(proof)
	if err == nil {
		err = r.Target.Point.Write(ProofFile, data)
	}
	if r.proofErr = err; err != nil {
		r.proofErr = fmt.Errorf("proof: %w", err)
	}
}

// Proof is what has been proved of the rollback so far.
func (r *Runner) Proof() promotion.Proof {
	if r.proof != nil {
		p := *r.proof
		p.Items = slices.Clone(p.Items)
		return p
	}
	proof := promotion.Proof{Of: "restore point " + r.ID}
	if data, err := r.Target.Point.Read(ProofFile); err == nil {
		_ = json.Unmarshal(data, &proof)
	}
	return proof
}

func rank(area string) int {
	return slices.Index([]string{"images", "configuration", "roles", "schema", "rows", "volumes", "health"}, area)
}
