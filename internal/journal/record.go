// Package journal keeps what a promotion did at its target, durably: one record before and one after each step, and the
// layout of the state volume around it. Whoever comes after a crash reads it and knows what was begun, done and undone.
package journal

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// Type says what a record reports.
type Type string

// The types of records of format version 1. A type that is not listed here belongs to a newer format.
const (
	Begin      Type = "begin"       // the promotion, or a later part of it, starts
	Phase      Type = "phase"       // a phase starts
	Intent     Type = "intent"      // a step is about to change something
	Done       Type = "done"        // it did
	Failed     Type = "failed"      // it could not; what it left is unknown until its undo
	UndoIntent Type = "undo-intent" // a step is about to be undone
	Undone     Type = "undone"      // it is
	UndoFailed Type = "undo-failed" // it could not be undone
	Cancel     Type = "cancel"      // someone asked to stop
	Outcome    Type = "outcome"     // the promotion is over, not merely one of its phases
	Note       Type = "note"        // changes no state
)

func (t Type) known() bool {
	switch t {
	case Begin, Phase, Intent, Done, Failed, UndoIntent, Undone, UndoFailed, Cancel, Outcome, Note:
		return true
	}
	return false
}

func (t Type) ofStep() bool {
	switch t {
	case Intent, Done, Failed, UndoIntent, Undone, UndoFailed:
		return true
	}
	return false
}

// Record is one line of a journal. Seq and Time are set by Append; Data is whatever the writer wants back after a restart.
type Record struct {
	Seq     int64             `json:"-"` // from 1, without gaps
	Time    time.Time         `json:"-"` // UTC
	Type    Type              `json:"type"`
	Phase   promotion.Phase   `json:"phase,omitempty"`
	Step    string            `json:"step,omitempty"`
	Undo    bool              `json:"undo,omitempty"`    // the record is about undoing; set by Append for the undo types
	Attempt int               `json:"attempt,omitempty"` // of the step, from 1
	Message string            `json:"message,omitempty"`
	Outcome promotion.Outcome `json:"outcome,omitempty"` // of an outcome record
	Data    json.RawMessage   `json:"data,omitempty"`
}

// check refuses records that a replay could not make sense of.
func (r Record) check() error {
	switch {
	case !r.Type.known():
		return fmt.Errorf("%w: record type %q", ErrNewer, r.Type)
	case r.Type.ofStep() && r.Step == "":
		return fmt.Errorf("record %s without a step", r.Type)
	case r.Type == Phase && r.Phase == "":
		return fmt.Errorf("record phase without a phase")
	case (r.Type == Outcome) != (r.Outcome != ""):
		return fmt.Errorf("record %s with outcome %q", r.Type, r.Outcome)
	}
	return nil
}
