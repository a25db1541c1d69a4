package step

import (
	"context"
	"errors"
	"io/fs"
)

// StartServices makes the new release's containers, with the target's own configuration and Compose's own semantics.
type StartServices struct {
	Services []string `json:"services"`
	Keep     []string `json:"keep,omitempty"`
	JobsDone []string `json:"jobs_done,omitempty"`
	Unwell   []string `json:"unwell,omitempty"` // not judged: their image stays, and they did not run well before
}

// Describe implements Step.
func (s *StartServices) Describe() string {
	d := "start " + list(s.Services) + " of the new release"
	if len(s.Keep) > 0 {
		d += "; " + list(s.Keep) + " stay as they are"
	}
	return d
}

// DescribeUndo implements Undescriber.
func (s *StartServices) DescribeUndo() string {
	return "stop and remove the containers of the new release"
}

// Do implements Step.
func (s *StartServices) Do(ctx context.Context, t *Target) error {
	return t.Stack.Up(ctx, Up{Services: s.Services, Keep: s.Keep, JobsDone: s.JobsDone, Unwell: s.Unwell}, func(m string) { t.Progress(0, 0, "", m) })
}

// Undo implements Step.
func (s *StartServices) Undo(ctx context.Context, t *Target) error {
	record, err := t.Point.Read(RecordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the restore point holds no record of the previous release")
	}
	if err != nil {
		return err
	}
	all := append(append([]string(nil), s.Services...), s.JobsDone...)
	return t.Stack.Discard(ctx, record, all, func(m string) { t.Progress(0, 0, "", m) })
}
