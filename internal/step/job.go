package step

import (
	"context"
	"fmt"
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

// Undo implements Step. What the job did to the data goes with the database.
func (s *RunJob) Undo(context.Context, *Target) error { return nil }
