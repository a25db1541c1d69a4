package step

import (
	"context"
	"errors"
	"fmt"
)

// Rehearser tries the release on a copy of the databases, away from everything that runs.
type Rehearser interface {
	// Rehearse runs the release's migration on a copy, then the present release on what it left, and removes all of it. A
	// migration that fails is a *ServiceError.
	Rehearse(ctx context.Context, onEvent func(string)) (Rehearsal, error)
}

// Rehearsal is what came of it.
type Rehearsal struct {
	Class string // the rollback class that it proved
	Why   string
}

// RehearseRelease finds out on a copy of the databases whether the migration works, and what a rollback can keep.
type RehearseRelease struct {
	Bytes int64 `json:"bytes"` // of the databases
}

// Describe implements Step.
func (s *RehearseRelease) Describe() string {
	return fmt.Sprintf("rehearse the migration on a copy of the databases (%s) in a closed network, and start the present release on it", Bytes(s.Bytes))
}

// Do implements Step.
func (s *RehearseRelease) Do(ctx context.Context, t *Target) error {
	if t.Rehearser == nil {
		return errors.New("there is nobody here who can rehearse")
	}
	r, err := t.Rehearser.Rehearse(ctx, func(m string) { t.Progress(0, 0, "", m) })
	if err != nil {
		return err
	}
	t.Note("info", fmt.Sprintf("rollback class %s: %s", r.Class, r.Why))
	return nil
}

// Undo implements Step. Do removes what it makes however it ends; what it was killed with goes with the agent's next start.
func (s *RehearseRelease) Undo(context.Context, *Target) error { return nil }
