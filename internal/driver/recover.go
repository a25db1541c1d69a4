package driver

import (
	"context"
	"errors"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/promotion"
)

// Recover finishes or undoes what an interrupted promotion left, and reports whether there was anything. An agent that died
// or stands still goes on where its journal ends; a promotion that rests between two mutating phases, and one whose
// rollback failed, is rolled back.
func (d *Driver) Recover(ctx context.Context, to string) (promotion.Result, bool, error) {
	env, err := d.Open(ctx, to)
	if err != nil {
		return promotion.Result{}, false, err
	}
	h, err := d.hold(ctx, env, "")
	if errors.Is(err, ErrNeverPromoted) {
		return promotion.Result{}, false, nil
	}
	if err != nil {
		return promotion.Result{}, false, err
	}
	defer func() { h.leave() }()
	id := h.info.Promotion
	switch {
	case h.own:
		return d.again(ctx, env, h)
	case id == "" || !h.info.Phase.Mutates():
		return promotion.Result{}, false, h.locked(env) // somebody prepares a promotion: there is nothing to bring in order
	}
	watch, stop := d.unstoppable(ctx, "the promotion goes on to its end by itself")
	defer stop()
	if h.info.Idle {
		if err := h.Call(watch, "cancel", agent.RollbackRequest{ID: id, By: d.By}, nil, nil); err != nil {
			return promotion.Result{}, true, told(err, env.Name)
		}
	}
	res, err := d.watch(watch, env, h, id, "follow", agent.RunRequest{ID: id})
	res.Command = "recover"
	return res, true, told(err, env.Name)
}

// again tries a rollback that failed before, when that is the last word on the target.
func (d *Driver) again(ctx context.Context, env *Environment, h *held) (promotion.Result, bool, error) {
	var history agent.History
	if err := h.Call(ctx, "history", struct{}{}, &history, nil); err != nil {
		return promotion.Result{}, false, told(err, env.Name)
	}
	for _, e := range history.Entries {
		switch e.Outcome {
		case promotion.RollbackFailed:
			spec := env.Spec
			spec.Custom = d.custom(env, config.OnVerify)
			watch, stop := d.unstoppable(ctx, "a rollback is not interrupted: it goes on to its end")
			defer stop()
			res, err := d.watch(watch, env, h, e.ID, "rollback", agent.RollbackRequest{ID: e.ID, By: d.By, Spec: &spec})
			res = d.rolledBack(res, env, e.ID)
			res.Command = "recover"
			return res, true, told(err, env.Name)
		case promotion.Done, promotion.RolledBack, promotion.Restored:
			return promotion.Result{}, false, nil
		}
	}
	return promotion.Result{}, false, nil
}
