package driver

import (
	"cmp"
	"context"
	"errors"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/promotion"
)

// rehearse tries the migration on a copy of the target's databases, where that was asked for. That it could not be tried is
// part of the comparison; only the end of ctx is an error.
func (c *comparing) rehearse(ctx context.Context) error {
	if !c.o.Rehearse {
		return nil
	}
	out, err := c.rehearsal(ctx)
	if ctx.Err() != nil {
		return &Error{Outcome: promotion.Canceled, Message: "cancelled: what the rehearsal made is being removed"}
	}
	if err != nil {
		out = compare.Rehearsal{At: c.d.now().UTC(), Error: err.Error(), Databases: []compare.RehearsedData{}, Migration: []compare.RehearsedJob{}}
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) && hinted.Hint() != "" {
			out.Error += " (" + hinted.Hint() + ")"
		}
	}
	c.in.Rehearsal = &out
	return nil
}

func (c *comparing) rehearsal(ctx context.Context) (compare.Rehearsal, error) {
	var out compare.Rehearsal
	switch {
	case c.from.agent == nil || c.from.snap == nil:
		return out, errors.New("the release is read from a running source, which " + c.from.name + " is not")
	case c.to.agent == nil || c.to.snap == nil:
		return out, errors.New(c.to.name + " cannot be reached, so that there is nothing to copy")
	}
	d := c.d
	s := &sides{from: c.from.env, to: c.to.env, fromAgent: c.from.agent, toAgent: c.to.agent, fromSnap: *c.from.snap, toSnap: *c.to.snap, git: c.git, gitErr: c.gitErr}
	id := promotion.NewID(d.now(), cmp.Or(d.Run, "rehearsal"))
	p, problems, err := d.plan(ctx, s, id)
	if err != nil {
		return out, err
	}
	if blocking := promotion.Blocking(problems); len(blocking) > 0 {
		return out, errors.New("no plan can be made: " + blockingText(blocking))
	}
	model, err := d.model(s, p)
	if err != nil {
		return out, err
	}
	req := agent.RehearseRequest{Spec: s.to.Spec, Plan: p, Model: model}
	req.Spec.Custom = d.custom(s.to, config.OnVerify)
	if err := c.from.agent.Call(ctx, "schemas", c.from.env.Spec, &req.Source, nil); err != nil {
		return out, err
	}
	done := d.View.Wait("rehearse the migration on a copy of " + c.to.name)
	defer func() { done() }()
	promoter, err := agent.StartPromoter(ctx, s.to.Engine, s.to.Compose.Project, "", s.to.who)
	if err != nil {
		return out, lockError(err)
	}
	defer func() {
		promoter.Leave(context.WithoutCancel(ctx))
		promoter.Close()
	}()
	err = promoter.Call(ctx, "rehearse", req, &out, func(e promotion.Event) {
		if e.Message != "" {
			done()
			done = d.View.Wait("rehearsal: " + e.Message)
		}
	})
	return out, err
}
