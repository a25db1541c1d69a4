package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// RunJob runs a one-shot of the new release, such as its migration, to its end.
type RunJob struct {
	Service string `json:"service"`
}

// Describe implements Step.
func (s *RunJob) Describe() string { return fmt.Sprintf("run the one-shot %s to its end", s.Service) }

// Do implements Step.
func (s *RunJob) Do(ctx context.Context, t *Target) error {
	return t.Stack.RunJob(ctx, s.Service, func(line string) { t.Progress(0, 0, "", line) })
}

// DescribeUndo implements Undescriber.
func (s *RunJob) DescribeUndo() string {
	return "stop and remove the container of the one-shot " + s.Service
}

// Undo implements Step. The container is stopped: it may outlive whoever started it, and would go on with its work on the
// database that is put back. What it has done to the data goes with the database.
func (s *RunJob) Undo(ctx context.Context, t *Target) error {
	record, err := t.Point.Read(RecordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("the restore point holds no record of the previous release")
	}
	if err != nil {
		return err
	}
	return t.Stack.Discard(ctx, record, []string{s.Service}, func(m string) { t.Progress(0, 0, "", m) })
}
