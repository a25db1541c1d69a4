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
// are to come. A promotion that is over stays as it is.
func (r *Runner) Run(ctx context.Context, phases []promotion.Phase) (promotion.Outcome, error) {
	if outcome := r.Journal.State().Outcome; outcome != "" {
		return outcome, nil
	}
	limited := false
	for _, phase := range phases {
		if r.turned() {
			return r.back(ctx, r.why())
		}
		if Finished(r.Journal.State(), phase) {
			continue
		}
		if deadline := r.Plan.Policy.Deadline.Time(); phase.Mutates() && deadline > 0 && !limited {
			limited = true // a long backup is no downtime
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, deadline, fmt.Errorf("the promotion was not done within %s", deadline))
			defer cancel()
		}
		if err := r.RunPhase(ctx, phase); err != nil {
			return r.back(ctx, err)
		}
	}
	if Finished(r.Journal.State(), promotion.Verify) {
		end, cancel := r.backContext(ctx)
		defer cancel()
		return promotion.Done, r.end(end, promotion.Done, "")
	}
	return promotion.Running, nil
}

// back decides what a failure means, and does it.
func (r *Runner) back(ctx context.Context, cause error) (promotion.Outcome, error) {
	cancelled := errors.Is(cause, ErrCancelled) || errors.Is(context.Cause(ctx), ErrCancelled)
	if cancelled {
		_ = r.append(journal.Record{Type: journal.Cancel, Message: cause.Error()})
	}
	options, turned := r.options()
	back, cancel := r.backContext(ctx)
	defer cancel()
	if !r.Begun() && !turned {
		outcome := promotion.Refused
		if cancelled || r.Journal.State().Canceled {
			outcome = promotion.Canceled
		}
		return outcome, errors.Join(cause, r.end(back, outcome, cause.Error()))
	}
	options.Why = cause.Error()
	if err := r.Rollback(back, options); err != nil {
		return promotion.RollbackFailed, errors.Join(cause, err, r.end(back, promotion.RollbackFailed, cause.Error()))
	}
	return options.outcome(), errors.Join(cause, r.end(back, options.outcome(), cause.Error()))
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
	options.Why, options.Asked = why, asked
	if r.Journal.State().Outcome != "" {
		if err := r.append(journal.Record{Type: journal.Begin, Phase: promotion.Rollback, Message: why, Data: r.begunBack(options)}); err != nil {
			return r.Journal.State().Outcome, err // nothing was begun
		}
	}
	back, cancel := r.backContext(ctx)
	defer cancel()
	if err := r.Rollback(back, options); err != nil {
		return promotion.RollbackFailed, errors.Join(err, r.end(back, promotion.RollbackFailed, why))
	}
	return options.outcome(), r.end(back, options.outcome(), why)
}

// Resume goes on where the journal ends: back when a rollback had begun, a step had failed or someone had asked to stop,
// else forward to the last phase that had been asked for.
func (r *Runner) Resume(ctx context.Context, phases []promotion.Phase) (promotion.Outcome, error) {
	s := r.Journal.State()
	if s.Outcome != "" {
		return s.Outcome, nil
	}
	if r.turned() {
		return r.back(ctx, r.why())
	}
	if err := r.hold(ctx); err != nil {
		return r.back(ctx, err)
	}
	return r.Run(ctx, phases)
}

// Abandon ends a promotion that has touched nothing.
func (r *Runner) Abandon(outcome promotion.Outcome, why string) error {
	return r.append(journal.Record{Type: journal.Outcome, Outcome: outcome, Message: why})
}

// end writes the outcome down, and tries until it can.
func (r *Runner) end(ctx context.Context, outcome promotion.Outcome, why string) error {
	return r.must(ctx, journal.Record{Type: journal.Outcome, Outcome: outcome, Message: why})
}
