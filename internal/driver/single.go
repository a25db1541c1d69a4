package driver

import (
	"context"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
)

// single reaches one environment, takes its lock and reads it: for what is no promotion from one to another.
func (p *promoting) single(ctx context.Context) error {
	d := p.d
	env, err := d.Open(ctx, p.o.To)
	if err != nil {
		return err
	}
	p.s = &sides{to: env}
	p.id = promotion.NewID(d.now(), d.Run)
	if err := d.Prepare(ctx, env); err != nil {
		return err
	}
	done := d.View.Wait("read " + env.Name)
	defer done()
	if p.s.toAgent, err = agent.StartPromoter(ctx, env.Engine, env.Compose.Project, p.id, env.who); err != nil {
		return lockError(err)
	}
	if err := p.s.toAgent.Call(ctx, "snapshot", env.Spec, &p.s.toSnap, nil); err != nil {
		return refused(err)
	}
	return nil
}

// input is what a plan for the one environment is made from.
func (p *promoting) input() plan.Input {
	d := p.d
	policy := d.Config.Policy
	return plan.Input{
		To: p.s.toSnap, Services: d.services(p.s), Volumes: p.s.to.Spec.Volumes, Dump: d.Config.Backup.Dump, ID: p.id, Tool: d.Version, Now: d.now(),
		Policy: plan.Policy{
			Settle: milliseconds(policy.Settle), Deadline: milliseconds(policy.Deadline), PhaseDeadline: milliseconds(policy.PhaseDeadline), KeepCopies: keepCopies,
		},
		CopyName: postgres.CopyName, Backup: backup.Name(p.s.to.Name, d.now()),
	}
}

// hand gives the plan to the agent.
func (p *promoting) hand(ctx context.Context) error {
	d := p.d
	if err := p.plan.Seal(fingerprint(p.s)); err != nil {
		return err
	}
	var model []byte
	if p.plan.Mode == plan.ModeRestore {
		var err error
		if model, err = d.model(p.s, p.plan); err != nil {
			return refused(err)
		}
	}
	spec := p.s.to.Spec
	spec.Custom = d.custom(p.s.to, config.OnVerify)
	err := p.s.toAgent.Call(ctx, "begin", agent.Begin{ID: p.id, By: d.By, Plan: p.plan, Spec: spec, Model: model, Files: d.configurationFiles(p.s.to)}, nil, nil)
	if err != nil {
		return refused(err)
	}
	p.begun = true
	return nil
}

// proved asks the target what only it can prove, adds what keeps the plan from running, and reports the phase. That an
// earlier rollback failed keeps nobody from making a backup.
func (p *promoting) proved(ctx context.Context, problems []promotion.Check) error {
	started := p.d.now()
	p.event(promotion.Event{Type: promotion.PhaseStarted, Phase: promotion.Preflight})
	checks := problems
	for _, m := range p.s.toSnap.Missing {
		checks = append(checks, promotion.Check{
			Category: "snapshot", Name: m.Part, Environment: p.s.to.Name, Status: promotion.Error, Critical: true, Message: m.Reason, Hint: "what cannot be read cannot be saved",
		})
	}
	for _, w := range p.plan.Warnings {
		checks = append(checks, promotion.Check{Category: "plan", Name: "warning", Environment: p.s.to.Name, Status: promotion.Warn, Message: w})
	}
	var target []promotion.Check
	if err := p.s.toAgent.Call(ctx, "preflight", agent.PreflightRequest{Spec: p.s.to.Spec, Plan: p.plan}, &target, nil); err != nil {
		return refused(err)
	}
	for _, c := range target {
		switch {
		case c.Name == "hold": // there is no release
			continue
		case c.Name == "state" && p.plan.Mode == plan.ModeBackup && c.Status == promotion.Fail:
			c.Status, c.Critical = promotion.Warn, false
		}
		checks = append(checks, c)
	}
	for _, c := range checks {
		p.event(promotion.Event{Type: promotion.CheckEnded, Phase: promotion.Preflight, Check: &c, Status: c.Status})
	}
	p.checks = checks
	return p.report(ctx, promotion.Preflight, checks, started)
}
