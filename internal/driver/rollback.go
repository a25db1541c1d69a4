package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/promotion"
)

// RollbackOptions are what `promote rollback` was asked for.
type RollbackOptions struct {
	To            string
	ID            string // empty: the last promotion that is done
	DiscardWrites bool   // lose what was written since
	KeepData      bool   // release and configuration only
	Force         bool   // KeepData although the old release is not known to work with the present schema
}

// Rollback brings an environment back to the restore point of a promotion: one that is over, one that rests between two
// phases, or, when it is named, one that runs. A refusal for what would be lost holds an *agent.Error with the losses.
func (d *Driver) Rollback(ctx context.Context, o RollbackOptions) (promotion.Result, error) {
	env, err := d.Open(ctx, o.To)
	if err != nil {
		return promotion.Result{}, err
	}
	h, err := d.hold(ctx, env, o.ID)
	if errors.Is(err, ErrNeverPromoted) {
		return promotion.Result{}, neverPromoted(env.Name)
	}
	if err != nil {
		return promotion.Result{}, err
	}
	defer func() { h.leave() }()
	id, err := d.which(ctx, env, h, o.ID)
	if err != nil {
		return promotion.Result{}, err
	}
	if h.info.Promotion == id && (!h.info.Idle || !h.info.Phase.Mutates()) {
		return d.interrupt(ctx, env, h, id)
	}
	return d.rollback(ctx, env, h, id, o)
}

// which is the promotion to roll back.
func (d *Driver) which(ctx context.Context, env *Environment, h *held, asked string) (string, error) {
	switch under := h.info.Promotion; {
	case h.own && asked != "":
		return asked, nil
	case h.own:
		return d.last(ctx, env, h)
	case under == "" || (asked != "" && asked != under):
		return "", h.locked(env)
	case asked == "" && (!h.info.Idle || !h.info.Phase.Mutates()):
		err := h.locked(env)
		var known *Error
		if errors.As(err, &known) {
			known.Advice = "wait for it, or name it to stop it and roll it back: promote rollback " + under
		}
		return "", err
	default:
		return under, nil
	}
}

// last is the newest promotion that the target still shows: done, or in need of a rollback.
func (d *Driver) last(ctx context.Context, env *Environment, h *held) (string, error) {
	var history agent.History
	if err := h.Call(ctx, "history", struct{}{}, &history, nil); err != nil {
		return "", told(err, env.Name)
	}
	for _, e := range history.Entries {
		if e.Outcome == promotion.Done || e.Outcome == promotion.RollbackFailed {
			return e.ID, nil
		}
	}
	return "", &Error{
		Outcome: promotion.Refused, Message: fmt.Sprintf("no promotion of %s can be rolled back: none of %d is done", env.Name, len(history.Entries)),
		Advice: "promote history --to " + env.Name + " lists them; promote backups lists what promote restore can bring back",
	}
}

func (d *Driver) rollback(ctx context.Context, env *Environment, h *held, id string, o RollbackOptions) (promotion.Result, error) {
	spec := env.Spec
	spec.Custom = d.custom(env, config.OnVerify)
	watch, stop := d.unstoppable(ctx, "a rollback is not interrupted: it goes on to its end")
	defer stop()
	res, err := d.watch(watch, env, h, id, "rollback", agent.RollbackRequest{
		ID: id, By: d.By, Spec: &spec, KeepData: o.KeepData, DiscardWrites: o.DiscardWrites, Force: o.Force,
	})
	return d.rolledBack(res, env, id), told(err, env.Name)
}

// interrupt stops a promotion that runs, which rolls it back, and follows that.
func (d *Driver) interrupt(ctx context.Context, env *Environment, h *held, id string) (promotion.Result, error) {
	watch, stop := d.unstoppable(ctx, "a rollback is not interrupted: it goes on to its end")
	defer stop()
	if err := h.Call(watch, "cancel", agent.RollbackRequest{ID: id, By: d.By}, nil, nil); err != nil {
		return promotion.Result{}, told(err, env.Name)
	}
	res, err := d.watch(watch, env, h, id, "follow", agent.RunRequest{ID: id})
	return d.rolledBack(res, env, id), told(err, env.Name)
}

// rolledBack adds what only the driver knows.
func (d *Driver) rolledBack(res promotion.Result, env *Environment, id string) promotion.Result {
	res.Command = "rollback"
	if res.Outcome == promotion.RollbackFailed {
		res.Next = append(res.Next, "promote rollback "+id+" --to "+env.Name+" tries again", "promote recover --to "+env.Name+" --accept 'what was done' closes it when it was put right by hand")
	}
	return res
}
