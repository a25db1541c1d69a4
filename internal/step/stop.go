package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// StopServices stops the application, dependents first. Its undoing makes the recorded containers run again.
type StopServices struct {
	Services []string `json:"services"` // dependents first
}

// Describe implements Step.
func (s *StopServices) Describe() string {
	return fmt.Sprintf("stop %s, each with its own grace", list(s.Services))
}

// DescribeUndo implements Undescriber.
func (s *StopServices) DescribeUndo() string {
	return "start the previous containers exactly as they were, and wait until they are healthy"
}

// Do implements Step.
func (s *StopServices) Do(ctx context.Context, t *Target) error {
	stopped, err := t.Stack.Stop(ctx, s.Services, func(m string) { t.Progress(0, 0, "", m) })
	for _, c := range stopped {
		if c.Killed {
			t.Note("warning", fmt.Sprintf("%s ignored its stop signal and was killed after %s", c.Container, c.Took.Round(time.Millisecond*100)))
		}
	}
	return err
}

// Hold implements Holder: an engine that starts again starts what has restart policy always, also where it was stopped.
func (s *StopServices) Hold(ctx context.Context, t *Target) error {
	_, err := t.Stack.Stop(ctx, s.Services, func(m string) { t.Progress(0, 0, "", m) })
	return err
}

// Undo implements Step.
func (s *StopServices) Undo(ctx context.Context, t *Target) error {
	record, err := t.Point.Read(RecordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the restore point holds no record of the previous release")
	}
	if err != nil {
		return err
	}
	if err := t.Stack.Restore(ctx, record, s.Services, func(m string) { t.Progress(0, 0, "", m) }); err != nil {
		return err
	}
	items, err := t.Stack.Compare(ctx, record, s.Services)
	t.Prove(items...)
	if err != nil {
		return err
	}
	for _, item := range items {
		if !item.Equal {
			return fmt.Errorf("%s %w: %s: %s", item.Name, ErrDiffers, item.Area, item.Reason)
		}
	}
	return nil
}
