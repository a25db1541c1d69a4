package step

import (
	"context"
	"fmt"
)

// RecordRelease writes down what runs now, container by container, so that exactly that can be made again.
type RecordRelease struct {
	Services int `json:"services"`
}

// Baseliner is Checks that can write down how they are now, so that a release is held to what was so before.
type Baseliner interface {
	Baseline(ctx context.Context) error
}

// RecordFile is where the restore point holds the record of the previous release.
const RecordFile = "release.json"

// Describe implements Step.
func (s *RecordRelease) Describe() string {
	return fmt.Sprintf("record the containers, networks and configuration of %d services", s.Services)
}

// Do implements Step.
func (s *RecordRelease) Do(ctx context.Context, t *Target) error {
	if t.Started("stop-services") {
		return nil // the record was taken; what is there now is not the previous release
	}
	record, err := t.Stack.Record(ctx)
	if err != nil {
		return err
	}
	if b, ok := t.Checks.(Baseliner); ok {
		if err := b.Baseline(ctx); err != nil {
			t.Note("warning", "how the checks are before the promotion could not be found out: "+err.Error())
		}
	}
	return t.Point.Write(RecordFile, record)
}

// Undo implements Step.
func (s *RecordRelease) Undo(context.Context, *Target) error { return nil }
