package step

import (
	"context"
	"fmt"
)

// RestartServices makes recorded containers run again after stop-services: those that were stopped, or those of another
// record, such as a backup's. No one-shot is run.
type RestartServices struct {
	Services []string `json:"services"`         // dependents first
	Record   string   `json:"record,omitempty"` // in the restore point; empty: of what ran before
}

// Describe implements Step.
func (s *RestartServices) Describe() string {
	if s.Record != "" {
		return fmt.Sprintf("make the containers of the backup's release: %s", list(s.Services))
	}
	return fmt.Sprintf("start %s again, as before", list(s.Services))
}

// DescribeUndo implements Undescriber.
func (s *RestartServices) DescribeUndo() string { return "stop " + list(s.Services) + " again" }

// Do implements Step.
func (s *RestartServices) Do(ctx context.Context, t *Target) error {
	onEvent := func(m string) { t.Progress(0, 0, "", m) }
	name := RecordFile
	if s.Record != "" {
		name = s.Record
	}
	record, err := t.Point.Read(name)
	if err != nil {
		return err
	}
	if s.Record != "" {
		if err := t.Stack.Discard(ctx, record, s.Services, onEvent); err != nil {
			return err
		}
	}
	return t.Stack.Restore(ctx, record, s.Services, onEvent)
}

// Undo implements Step.
func (s *RestartServices) Undo(ctx context.Context, t *Target) error {
	onEvent := func(m string) { t.Progress(0, 0, "", m) }
	if s.Record == "" {
		_, err := t.Stack.Stop(ctx, s.Services, onEvent)
		return err
	}
	record, err := t.Point.Read(RecordFile)
	if err != nil {
		return err
	}
	if _, err := t.Stack.Stop(ctx, s.Services, onEvent); err != nil {
		return err
	}
	return t.Stack.Discard(ctx, record, s.Services, onEvent)
}

// SendBackup brings a backup to the target's restore point, where it is verified again.
type SendBackup struct {
	Name string `json:"name"`
}

// Describe implements Step.
func (s *SendBackup) Describe() string {
	return "send " + s.Name + " to the target and verify it there"
}

// Do implements Step.
func (s *SendBackup) Do(context.Context, *Target) error { return ErrDriver }

// Undo implements Step.
func (s *SendBackup) Undo(context.Context, *Target) error { return nil }
