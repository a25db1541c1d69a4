package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// readiness compares the two sides of a promotion as promote compare does, with what preflight and the tests of the source
// have found; without tests where there are none yet. It reads and touches nothing.
func (d *Driver) readiness(ctx context.Context, s *sides, preflight, tests []promotion.Check) (compare.Comparison, error) {
	c, err := d.comparing(CompareOptions{From: s.from.Name, To: s.to.Name})
	if err != nil {
		return compare.Comparison{}, err
	}
	for i, env := range []*Environment{s.from, s.to} {
		at, reads := []*side{c.from, c.to}[i], []*agent.Remote{s.fromAgent, s.toAgent}[i]
		at.env, at.agent = env, reads
		weighed(env, c.in.Services)
	}
	done := d.View.Wait("compare " + s.from.Name + " and " + s.to.Name)
	var wg sync.WaitGroup
	for _, at := range []*side{c.from, c.to} {
		wg.Go(func() {
			var snap snapshot.Snapshot
			if err := at.agent.Call(ctx, "details", c.request(at.env), &snap, nil); err != nil {
				at.give(err)
				return
			}
			at.snap = &snap
		})
	}
	wg.Wait()
	done()
	c.in.From, c.in.To, c.in.FromWhy, c.in.ToWhy = c.from.snap, c.to.snap, c.from.why, c.to.why
	c.probe(ctx)
	c.lineages(ctx)
	c.plannedVariables()
	c.in.PerformanceOff = "a promotion does not sample: promote compare --performance does"
	c.in.Preflight, c.in.Tests, c.in.TestedAt = preflight, tests, c.in.Now
	return compare.Compare(c.in), ctx.Err()
}

// verdictCheck is a comparison's verdict as a check of the promotion: what the policy enforces fails it, all else is said.
func verdictCheck(c compare.Comparison, policy config.Policy) promotion.Check {
	check := promotion.Check{Category: "comparison", Name: "verdict", Environment: c.To.Environment, Status: promotion.Pass, Message: verdictLine(c)}
	if c.Verdict == compare.Ready {
		return check
	}
	check.Status, check.Hint = promotion.Warn, fmt.Sprintf("promote compare %s %s says all of it", c.From.Environment, c.To.Environment)
	for _, o := range c.Blocking {
		check.Detail = append(check.Detail, o.Title+": "+o.Why)
	}
	stops := policy.Verdict == config.EnforceVerdict && (c.Verdict != compare.Caution || policy.OnCaution == config.StopOnCaution)
	if stops {
		check.Status, check.Critical = promotion.Fail, true
	}
	return check
}

// verdictLine is a comparison in one line.
func verdictLine(c compare.Comparison) string {
	score := "no score"
	if c.Score != nil {
		score = fmt.Sprintf("score %.0f of 100", *c.Score)
	}
	line := fmt.Sprintf("%s: %s, coverage %.0f %%", c.Verdict, score, c.Coverage)
	if c.Verdict != compare.Ready && c.Why != "" {
		line += ": " + c.Why
	}
	return line
}

// inconclusive gives a refusal by a verdict that is not certain its own outcome.
func inconclusive(err error, c compare.Comparison) error {
	var known *Error
	if errors.As(err, &known) && known.Outcome == promotion.Refused && (c.Verdict == compare.Caution || c.Verdict == compare.Unknown) {
		known.Outcome = promotion.Inconclusive
	}
	return err
}

// foresee says what the comparison will say before the tests have run: in a note, and as a warning of the plan what is certain to
// stand against it.
func (d *Driver) foresee(ctx context.Context, s *sides, p plan.Plan) []string {
	checks := d.known(ctx, s, p, nil)
	var target []promotion.Check
	if err := s.toAgent.Call(ctx, "outlook", agent.PreflightRequest{Spec: s.to.Spec, Plan: p}, &target, nil); err != nil {
		return []string{"readiness could not be found out: " + err.Error()}
	}
	c, err := d.readiness(ctx, s, append(checks, target...), nil)
	if err != nil {
		return []string{"readiness could not be found out: " + err.Error()}
	}
	d.View.Note("info", foreseen(c))
	var out []string
	for _, o := range c.Blocking {
		out = append(out, "not ready: "+o.Title+": "+o.Why)
	}
	return out
}

// foreseen is a comparison whose tests are still to come, in one line: the score of what is known, and no verdict.
func foreseen(c compare.Comparison) string {
	line := fmt.Sprintf("readiness so far: no score; the tests of %s are still to come", c.From.Environment)
	if c.Measured != nil {
		line = fmt.Sprintf("readiness so far: %.0f of 100, over the %.0f %% that are known before the tests of %s", *c.Measured, c.Coverage, c.From.Environment)
	}
	if len(c.Blocking) > 0 {
		line += "; not ready: " + c.Blocking[0].Title
	}
	return line
}
