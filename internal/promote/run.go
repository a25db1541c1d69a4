package promote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
)

// Run does the given phases, and rolls back when one of them fails after the first mutation. The context of the forward
// way may end at any moment; the way back has its own. The returned outcome is Running when the phases ended well and more
// are to come.
func (r *Runner) Run(ctx context.Context, phases []promotion.Phase) (promotion.Outcome, error) {
	deadline := r.Plan.Policy.Deadline.Time()
	if deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, deadline, fmt.Errorf("the promotion was not done within %s", deadline))
		defer cancel()
	}
	for _, phase := range phases {
		if r.Journal.State().RollingBack {
			return r.back(ctx, errors.New("a rollback had begun"))
		}
		if Finished(r.Journal.State(), phase) {
			continue
		}
		if err := r.RunPhase(ctx, phase); err != nil {
			return r.back(ctx, err)
		}
	}
	if Finished(r.Journal.State(), promotion.Verify) {
		return promotion.Done, r.end(promotion.Done, "")
	}
	return promotion.Running, nil
}

// back decides what a failure means, and does it.
func (r *Runner) back(ctx context.Context, cause error) (promotion.Outcome, error) {
	if errors.Is(cause, ErrCancelled) || errors.Is(context.Cause(ctx), ErrCancelled) {
		_ = r.append(journal.Record{Type: journal.Cancel, Message: cause.Error()})
	}
	if !r.Begun() && !r.Journal.State().RollingBack {
		outcome := promotion.Refused
		if r.Journal.State().Canceled {
			outcome = promotion.Canceled
		}
		return outcome, errors.Join(cause, r.end(outcome, cause.Error()))
	}
	back, cancel := r.backContext(ctx)
	defer cancel()
	if err := r.Rollback(back, RollbackOptions{}); err != nil {
		return promotion.RollbackFailed, errors.Join(cause, err, r.end(promotion.RollbackFailed, cause.Error()))
	}
	return promotion.RolledBack, errors.Join(cause, r.end(promotion.RolledBack, cause.Error()))
}

// backContext is the context of a rollback: it outlives the one that failed and has its own deadline.
func (r *Runner) backContext(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline := r.Plan.Policy.Deadline.Time()
	if deadline <= 0 {
		deadline = 30 * time.Minute
	}
	return context.WithTimeoutCause(context.WithoutCancel(ctx), deadline, fmt.Errorf("the rollback was not done within %s", deadline))
}

// Back rolls a promotion back on request: cancelled between two phases, left beyond its deadline, or asked for when it was
// over. A rollback that was asked for ends as Restored.
func (r *Runner) Back(ctx context.Context, why string, options RollbackOptions, asked bool) (promotion.Outcome, error) {
	outcome := promotion.RolledBack
	if asked {
		outcome = promotion.Restored
	}
	if r.Journal.State().Outcome != "" {
		if err := r.append(journal.Record{Type: journal.Begin, Phase: promotion.Rollback, Message: why}); err != nil {
			return promotion.RollbackFailed, err
		}
	}
	back, cancel := r.backContext(ctx)
	defer cancel()
	if err := r.Rollback(back, options); err != nil {
		return promotion.RollbackFailed, errors.Join(err, r.end(promotion.RollbackFailed, why))
	}
	return outcome, r.end(outcome, why)
}

// Resume goes on where the journal ends: back when a rollback had begun or someone had asked to stop, else forward to the
// last phase that had been asked for.
func (r *Runner) Resume(ctx context.Context, phases []promotion.Phase) (promotion.Outcome, error) {
	s := r.Journal.State()
	if s.Outcome != "" {
		return s.Outcome, nil
	}
	if s.RollingBack || s.Canceled {
		return r.back(ctx, r.why())
	}
	return r.Run(ctx, phases)
}

// why is the reason of a rollback that a predecessor began.
func (r *Runner) why() error {
	for _, rec := range r.Journal.Records() {
		if (rec.Type == journal.Failed && rec.Phase != promotion.Rollback) || rec.Type == journal.Cancel {
			return errors.New(rec.Message)
		}
	}
	return errors.New("a rollback had begun before the agent was restarted")
}

// Abandon ends a promotion that has touched nothing.
func (r *Runner) Abandon(outcome promotion.Outcome, why string) error { return r.end(outcome, why) }

func (r *Runner) end(outcome promotion.Outcome, why string) error {
	return r.append(journal.Record{Type: journal.Outcome, Outcome: outcome, Message: why})
}
