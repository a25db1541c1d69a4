package promote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// RollbackOptions says what a rollback keeps, and why there is one. They are written down with its first record, so that
// whoever takes an interrupted rollback up does the same.
type RollbackOptions struct {
	KeepData bool   `json:"keep_data,omitempty"` // release and configuration only: databases and volumes stay as they are
	Asked    bool   `json:"asked,omitempty"`     // by a person, when the promotion was over
	Why      string `json:"-"`
}

func (o RollbackOptions) outcome() promotion.Outcome {
	if o.Asked {
		return promotion.Restored
	}
	return promotion.RolledBack
}

type backData struct {
	By       string           `json:"by,omitempty"`
	Rollback *RollbackOptions `json:"rollback,omitempty"`
}

// begunBack is what the begin record of a rollback holds: whose promotion it is, and what is kept.
func (r *Runner) begunBack(options RollbackOptions) json.RawMessage {
	d := backData{Rollback: &options}
	for _, rec := range r.Journal.Records() {
		var begun Begun
		if rec.Type == journal.Begin && json.Unmarshal(rec.Data, &begun) == nil && begun.By != "" {
			d.By = begun.By
		}
	}
	data, _ := json.Marshal(d)
	return data
}

// turning is the record since the promotion was last opened that turned it: a rollback that was asked for or had begun, a
// failure after the first mutation, a request to stop.
func (r *Runner) turning() (journal.Record, bool) {
	var found journal.Record
	turned := false
	for _, rec := range r.Journal.Records() {
		switch {
		case rec.Type == journal.Begin:
			found, turned = rec, rec.Phase == promotion.Rollback
		case rec.Type == journal.Outcome:
			turned = false
		case rec.Type == journal.Phase && rec.Phase == promotion.Rollback, rec.Type == journal.Cancel,
			rec.Type == journal.Failed && rec.Phase.Mutates() && rec.Phase != promotion.Rollback:
			if !turned || found.Message == "" {
				found = rec
			}
			turned = true
		}
	}
	return found, turned
}

// turned reports whether the only way is back, whatever was asked for.
func (r *Runner) turned() bool {
	_, turned := r.turning()
	return turned
}

// why is the reason of a rollback that a predecessor began or should have begun.
func (r *Runner) why() error {
	if rec, turned := r.turning(); turned && rec.Message != "" {
		return errors.New(rec.Message)
	}
	return errors.New("a rollback had begun before the agent was restarted")
}

// options are those of the rollback that the journal holds, and whether it holds one that is not over.
func (r *Runner) options() (RollbackOptions, bool) {
	var options RollbackOptions
	begun := false
	for _, rec := range r.Journal.Records() {
		switch {
		case rec.Type == journal.Outcome, rec.Type == journal.Begin && rec.Phase != promotion.Rollback:
			options, begun = RollbackOptions{}, false
		case (rec.Type == journal.Begin || rec.Type == journal.Phase) && rec.Phase == promotion.Rollback:
			var d backData
			if json.Unmarshal(rec.Data, &d) == nil && d.Rollback != nil {
				options = *d.Rollback
			}
			begun = true
		}
	}
	return options, begun
}

// lastOptions are those of the last rollback, over or not.
func (r *Runner) lastOptions() RollbackOptions {
	var options RollbackOptions
	for _, rec := range r.Journal.Records() {
		var d backData
		if rec.Phase == promotion.Rollback && rec.Type == journal.Phase && json.Unmarshal(rec.Data, &d) == nil && d.Rollback != nil {
			options = *d.Rollback
		}
	}
	return options
}

// hold brings about again what a restart of the host may have taken back while it has to last: services that are stopped
// stay stopped until the new release starts.
func (r *Runner) hold(ctx context.Context) error {
	for _, item := range r.Plan.Steps {
		h, ok := item.Step.(step.Holder)
		if !ok || r.Journal.State().Step(item.Name) != journal.StepDone {
			continue
		}
		t := r.target(item, false)
		if t.Started("start-services") || t.Started("restart-services") {
			continue
		}
		if err := h.Hold(ctx, &t); err != nil {
			return fmt.Errorf("%s: %w", item.Name, err)
		}
	}
	return nil
}

// holdBack does the same on the way back, before data is put back: the services stay stopped until that is done.
func (r *Runner) holdBack(ctx context.Context, item step.Item) error {
	if _, ok := item.Step.(step.Holder); ok || item.Phase != promotion.Shutdown && !touchesData(item.Step) {
		return nil
	}
	for _, other := range r.Plan.Steps {
		if h, ok := other.Step.(step.Holder); ok && r.Journal.State().Step(other.Name).Touched() {
			t := r.target(other, true)
			if err := h.Hold(ctx, &t); err != nil {
				return err
			}
		}
	}
	return nil
}

// must appends a record of the way back, and tries until it can or ctx ends: what is undone without a record would be undone
// once more by a successor, when the old release runs already.
func (r *Runner) must(ctx context.Context, rec journal.Record) error {
	pause := r.pause()
	for told := false; ; told = true {
		err := r.append(rec)
		if err == nil {
			return nil
		}
		if !told {
			r.Emit(promotion.Event{Type: promotion.Note, Phase: promotion.Rollback, Level: "error", Message: fmt.Sprintf("%v: nothing is undone without its record: trying again until there is room", err)})
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause = min(2*pause, patience*r.pause())
	}
}
