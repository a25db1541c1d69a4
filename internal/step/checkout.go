package step

import (
	"context"
	"fmt"

	"github.com/org/promote-action/internal/promotion"
)

// MoveCheckout moves the environment's git checkout to the release's commit.
type MoveCheckout struct {
	Path           string `json:"path"`
	Commit         string `json:"commit"`
	PreviousCommit string `json:"previous_commit"`
	PreviousBranch string `json:"previous_branch,omitempty"` // empty when its HEAD was detached
}

// Describe implements Step.
func (s *MoveCheckout) Describe() string {
	return fmt.Sprintf("move the checkout %s from %s to %s", s.Path, short(s.PreviousCommit), short(s.Commit))
}

// DescribeUndo implements Undescriber.
func (s *MoveCheckout) DescribeUndo() string {
	return fmt.Sprintf("move the checkout %s back to %s", s.Path, short(s.PreviousCommit))
}

// Check implements Checker: a dirty checkout is refused, since moving it would lose or mix work.
func (s *MoveCheckout) Check(ctx context.Context, t *Target) error {
	_, _, dirty, err := t.Checkout.Head(ctx, s.Path)
	if err != nil {
		return fmt.Errorf("checkout %s: %w", s.Path, err)
	}
	if len(dirty) > 0 {
		return fmt.Errorf("checkout %s has changes that no commit holds (%s): commit or remove them first", s.Path, list(dirty))
	}
	return nil
}

// Do implements Step.
func (s *MoveCheckout) Do(ctx context.Context, t *Target) error {
	return t.Checkout.Move(ctx, s.Path, s.Commit, "")
}

// Undo implements Step.
func (s *MoveCheckout) Undo(ctx context.Context, t *Target) error {
	if err := t.Checkout.Move(ctx, s.Path, s.PreviousCommit, s.PreviousBranch); err != nil {
		return err
	}
	commit, _, dirty, err := t.Checkout.Head(ctx, s.Path)
	if err != nil {
		return err
	}
	item := promotion.ProofItem{Area: "configuration", Name: "checkout " + s.Path, Want: short(s.PreviousCommit), Got: short(commit), Equal: commit == s.PreviousCommit && len(dirty) == 0}
	if len(dirty) > 0 {
		item.Reason = "changed files: " + list(dirty)
	}
	t.Prove(item)
	if !item.Equal {
		return fmt.Errorf("checkout %s %w: it is at %s, %d changed files", s.Path, ErrDiffers, short(commit), len(dirty))
	}
	return nil
}
