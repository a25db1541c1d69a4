package promote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// An undo is tried at least so often, with pauses that double, and again while fewer than so many first pauses have gone by:
// three slow failures are enough, and a server that comes back within half a minute is waited for.
const (
	tries    = 3
	patience = 15
)

// Rollback undoes every mutating step that was begun, last one first, and proves the result. It is never rolled back
// itself. The error joins whatever could not be undone; it is nil only when everything was and the proof holds.
func (r *Runner) Rollback(ctx context.Context, options RollbackOptions) error {
	started := time.Now()
	data, _ := json.Marshal(backData{Rollback: &options})
	if err := r.must(ctx, journal.Record{Type: journal.Phase, Phase: promotion.Rollback, Message: options.Why, Data: data}); err != nil {
		return err
	}
	r.Emit(promotion.Event{Type: promotion.PhaseStarted, Phase: promotion.Rollback})
	err := r.undoAll(ctx, options)
	if err == nil {
		err = r.checkAfterRollback(ctx)
	}
	status := promotion.Pass
	if err != nil {
		status = promotion.Fail
		if jerr := r.must(ctx, journal.Record{Type: journal.Failed, Phase: promotion.Rollback, Step: PhaseMark(promotion.Rollback), Message: err.Error()}); jerr != nil {
			err = errors.Join(err, jerr)
		}
	} else if err = r.must(ctx, journal.Record{Type: journal.Done, Phase: promotion.Rollback, Step: PhaseMark(promotion.Rollback)}); err != nil {
		return err
	}
	r.Emit(promotion.Event{Type: promotion.PhaseEnded, Phase: promotion.Rollback, Status: status, Took: promotion.Milliseconds(time.Since(started))})
	return err
}

func (r *Runner) undoAll(ctx context.Context, options RollbackOptions) error {
	var errs []error
	for _, item := range slices.Backward(r.Plan.Steps) {
		if !item.Phase.Mutates() || !r.Journal.State().Step(item.Name).Touched() || (options.KeepData && touchesData(item.Step)) {
			continue
		}
		err := r.undo(ctx, item)
		if err == nil {
			continue
		}
		errs = append(errs, fmt.Errorf("undo %s: %w", item.Name, err))
		if !errors.Is(err, step.ErrDiffers) {
			// What comes next builds on this step: going on could start the old release on the wrong data.
			return errors.Join(errs...)
		}
	}
	proof := r.Proof()
	proof.Items = slices.DeleteFunc(proof.Items, func(i promotion.ProofItem) bool { return i.Area == "health" }) // comes next
	if len(errs) == 0 && len(proof.Items) > 0 && !proof.Holds() {
		errs = append(errs, fmt.Errorf("the target %w: see the proof", step.ErrDiffers))
	}
	return errors.Join(errs...)
}

// undo undoes one step between its records, and tries again what fails.
func (r *Runner) undo(ctx context.Context, item step.Item) error {
	var err error
	first, pause := time.Now(), r.pause()
	for attempt := 1; attempt <= tries || time.Since(first) < patience*r.pause(); attempt++ {
		if jerr := r.must(ctx, journal.Record{Type: journal.UndoIntent, Phase: promotion.Rollback, Step: item.Name, Attempt: attempt}); jerr != nil {
			return jerr
		}
		line := step.DescribeUndo(item.Step)
		if line != "" {
			r.Emit(promotion.Event{Type: promotion.StepStarted, Phase: promotion.Rollback, Step: item.Name, Message: line, Undo: true})
		}
		started := time.Now()
		t := r.target(item, true)
		if err = r.holdBack(ctx, item); err == nil {
			r.proofErr = nil
			if err = item.Step.Undo(ctx, &t); err == nil {
				err = r.proofErr // a successor would not prove it again
			}
		}
		took := time.Since(started)
		if err == nil {
			if jerr := r.must(ctx, journal.Record{Type: journal.Undone, Phase: promotion.Rollback, Step: item.Name, Data: took2json(took)}); jerr != nil {
				return jerr
			}
			if line != "" {
				r.Emit(promotion.Event{Type: promotion.StepEnded, Phase: promotion.Rollback, Step: item.Name, Message: line, Status: promotion.Pass, Undo: true, Took: promotion.Milliseconds(took)})
			}
			return nil
		}
		if jerr := r.must(ctx, journal.Record{Type: journal.UndoFailed, Phase: promotion.Rollback, Step: item.Name, Attempt: attempt, Message: err.Error()}); jerr != nil {
			return errors.Join(err, jerr)
		}
		f := FailureOf(item, err)
		f.Phase = promotion.Rollback
		r.Emit(promotion.Event{Type: promotion.StepEnded, Phase: promotion.Rollback, Step: item.Name, Message: f.Message, Status: promotion.Fail, Failure: &f, Undo: true, Took: promotion.Milliseconds(took)})
		if ctx.Err() != nil || errors.Is(err, step.ErrDiffers) {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause *= 2
	}
	return err
}

func (r *Runner) pause() time.Duration {
	if r.Retry > 0 {
		return r.Retry
	}
	return 2 * time.Second
}

// checkAfterRollback runs the same checks as before the promotion against the old release.
func (r *Runner) checkAfterRollback(ctx context.Context) error {
	if r.Target.Checks == nil {
		return nil
	}
	item := step.Item{Name: "verify-rollback", Phase: promotion.Rollback, Step: &step.VerifyChecks{}}
	t := r.target(item, true)
	r.Emit(promotion.Event{Type: promotion.StepStarted, Phase: promotion.Rollback, Step: item.Name, Message: "verify the previous release: the same checks", Undo: true})
	started := time.Now()
	checks, err := r.Target.Checks.VerifyPrevious(ctx, func(m string) { t.Progress(0, 0, "", m) })
	for attempt, pause := 1, r.pause(); err != nil && ctx.Err() == nil && attempt < tries; attempt, pause = attempt+1, pause*2 {
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		checks, err = r.Target.Checks.VerifyPrevious(ctx, func(m string) { t.Progress(0, 0, "", m) })
	}
	for _, c := range checks {
		t.Check(c)
	}
	blocking := promotion.Blocking(checks)
	health := promotion.ProofItem{Area: "health", Name: "checks", Want: "as before the promotion", Got: fmt.Sprintf("%d of %d pass", len(checks)-len(blocking), len(checks)), Equal: err == nil && len(blocking) == 0}
	if err == nil && len(blocking) > 0 {
		err = &step.CheckError{Checks: blocking}
	}
	status := promotion.Pass
	message := "verify the previous release: the same checks"
	if err != nil {
		status, message, health.Reason = promotion.Fail, err.Error(), err.Error()
		err = fmt.Errorf("verify the previous release: %w", err)
	}
	r.prove([]promotion.ProofItem{health})
	for r.proofErr != nil && ctx.Err() == nil { // the end could not be written down either
		select {
		case <-ctx.Done():
		case <-time.After(r.pause()):
		}
		r.prove([]promotion.ProofItem{health})
	}
	err = errors.Join(err, r.proofErr)
	r.Emit(promotion.Event{Type: promotion.StepEnded, Phase: promotion.Rollback, Step: item.Name, Message: message, Status: status, Undo: true, Took: promotion.Milliseconds(time.Since(started))})
	return err
}

// touchesData reports whether undoing the step takes back data.
func touchesData(s step.Step) bool {
	switch s.(type) {
	case *step.CopyDatabase, *step.FingerprintDatabase, *step.CopyVolume, *step.LoadDatabase, *step.RecordGlobals:
		return true
	}
	return false
}

// Left lists what a person has to do when a rollback stopped: every undo that is still due, in order, or where all is undone
// what the proof shows to be otherwise.
func (r *Runner) Left() []string {
	var left []string
	s := r.Journal.State()
	options := r.lastOptions()
	for _, item := range slices.Backward(r.Plan.Steps) {
		if !item.Phase.Mutates() || !s.Step(item.Name).Touched() || (options.KeepData && touchesData(item.Step)) {
			continue
		}
		if line := step.DescribeUndo(item.Step); line != "" {
			left = append(left, line)
		}
	}
	if len(left) > 0 {
		return left
	}
	for _, item := range r.Proof().Items {
		if !item.Equal {
			left = append(left, strings.TrimSuffix(fmt.Sprintf("put right %s %s: it has to be %s, and is %s: %s", item.Area, item.Name, item.Want, item.Got, item.Reason), ": "))
		}
	}
	if s.Outcome != promotion.RollbackFailed {
		return left
	}
	for _, rec := range slices.Backward(r.Journal.Records()) {
		if rec.Type == journal.Failed && rec.Phase == promotion.Rollback && len(left) == 0 {
			return []string{"roll back once more when this is put right: " + rec.Message}
		}
	}
	return left
}
