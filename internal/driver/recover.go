package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/promotion"
)

// Recover finishes or undoes what an interrupted promotion left, and reports whether there was anything. An agent that died
// or stands still goes on where its journal ends; a promotion that rests between two mutating phases, and one whose
// rollback failed, is rolled back; one that has touched nothing and that nobody works at is cancelled.
func (d *Driver) Recover(ctx context.Context, to string) (promotion.Result, bool, error) {
	env, err := d.Open(ctx, to)
	if err != nil {
		return promotion.Result{}, false, err
	}
	h, err := d.hold(ctx, env, "")
	if errors.Is(err, ErrNeverPromoted) { // a rehearsal may have been killed all the same
		if err := agent.SweepRehearsal(ctx, env.Engine, env.Compose.Project); err != nil {
			return promotion.Result{}, false, refused(err)
		}
		return promotion.Result{}, false, nil
	}
	if err != nil {
		return d.unusable(ctx, env, err)
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

// again tries a rollback that failed before, when that is the last word on the target. A promotion that cannot be read is left
// to a person.
func (d *Driver) again(ctx context.Context, env *Environment, h *held) (promotion.Result, bool, error) {
	var history agent.History
	if err := h.Call(ctx, "history", struct{}{}, &history, nil); err != nil {
		return promotion.Result{}, false, told(err, env.Name)
	}
	for _, e := range history.Entries {
		if e.Error != "" {
			return d.needsPerson(env, e, fmt.Sprintf("what promotion %s did cannot be read: %s", e.ID, e.Error), "look whether "+env.Name+" is in order, then close the promotion: promote recover --to "+env.Name+" --accept 'what was found'"), true, nil
		}
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
		case promotion.Running: // it has touched nothing, or the agent would have taken it up
			return d.abandon(ctx, env, h, e.ID)
		case promotion.Done, promotion.RolledBack, promotion.Restored, promotion.Accepted:
			return promotion.Result{}, false, nil
		}
	}
	return promotion.Result{}, false, nil
}

// abandon cancels a promotion that has touched nothing and that nobody works at.
func (d *Driver) abandon(ctx context.Context, env *Environment, h *held, id string) (promotion.Result, bool, error) {
	why := "interrupted before anything was touched"
	if err := h.Call(ctx, "abandon", agent.AbandonRequest{ID: id, Outcome: promotion.Canceled, Why: why}, nil, nil); err != nil {
		return promotion.Result{}, true, told(err, env.Name)
	}
	var res promotion.Result
	err := h.Call(ctx, "result", agent.RunRequest{ID: id}, &res, nil)
	res.Command = "recover"
	return res, true, told(err, env.Name)
}

// unusable tells what can be told while the state of the target cannot be used: a promotion that is not over, or was not rolled
// back, needs a person; otherwise nothing waits to be recovered, and the problem alone stands in the way.
func (d *Driver) unusable(ctx context.Context, env *Environment, problem error) (promotion.Result, bool, error) {
	var known *agent.Error
	if !errors.As(problem, &known) || known.Outcome == promotion.Locked {
		return promotion.Result{}, false, problem
	}
	history, err := d.History(ctx, env.Name)
	if err != nil {
		return promotion.Result{}, false, problem
	}
	for _, e := range history.Entries {
		if len(e.Left) > 0 {
			return d.needsPerson(env, e, fmt.Sprintf("promotion %s cannot be finished or undone now: %s", e.ID, known.Message), known.Hint), true, nil
		}
		if e.Outcome == promotion.Done || e.Outcome == promotion.RolledBack || e.Outcome == promotion.Restored || e.Outcome == promotion.Accepted {
			break
		}
	}
	return promotion.Result{}, false, &Error{Outcome: promotion.Refused, Message: "nothing is unfinished, but the next promotion will be refused: " + known.Message, Advice: known.Hint}
}

// needsPerson is the account of a promotion that recover leaves as it is.
func (d *Driver) needsPerson(env *Environment, e agent.Entry, why, next string) promotion.Result {
	return promotion.Result{
		Schema: "promote.result/1", Command: "recover", ID: e.ID, From: e.From, To: env.Name, Project: env.Compose.Project, By: e.By, Release: e.Release, Commit: e.Commit,
		Outcome: promotion.RollbackFailed, Reason: why, Class: e.Class, Started: e.Started, Ended: e.Started.Add(e.Took.Time()), Phases: []promotion.PhaseResult{}, Left: e.Left, Next: []string{next},
	}
}

// Accept closes the promotion that needs a person, once the target has been looked at; it reports whether there was one.
func (d *Driver) Accept(ctx context.Context, to, why string, force bool) (promotion.Result, bool, error) {
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
	if !h.own {
		return promotion.Result{}, false, h.locked(env)
	}
	done := d.View.Wait("look at " + to)
	defer done()
	spec := env.Spec
	spec.Custom = d.custom(env, config.OnVerify)
	var got agent.Accepted
	err = h.Call(ctx, "accept", agent.AcceptRequest{By: d.By, Why: why, Force: force, Spec: spec}, &got, nil)
	res := got.Result
	res.Command, res.To = "recover", to
	return res, got.Closed, told(err, env.Name)
}
