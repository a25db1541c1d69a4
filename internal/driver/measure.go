package driver

import (
	"context"
	"fmt"
	"strings"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// measure has the target measured for the plan's estimates, and says what came out. It keeps no promotion from running: what
// cannot be measured stays a guess, and is said to be one.
func (d *Driver) measure(ctx context.Context, s *sides, p *plan.Plan, read bool) promotion.Check {
	c := promotion.Check{Category: "target", Name: "cost", Environment: s.to.Name, Status: promotion.Pass}
	started := d.now()
	var m plan.Measured
	if err := s.toAgent.Call(ctx, "measure", agent.MeasureRequest{Spec: s.to.Spec, Plan: *p, Read: read}, &m, nil); err != nil {
		c.Status, c.Message = promotion.Warn, "what the promotion takes here was not measured, only guessed: "+err.Error()
		return c
	}
	p.Expect(m)
	c.Took = promotion.Milliseconds(d.now().Sub(started))
	words := []string{fmt.Sprintf("downtime about %s (%s)", text.About(p.Estimate.Downtime.Time()), p.Estimate.Basis)}
	for _, item := range p.Steps {
		if name, _ := plan.DatabaseOf(item.Step); name.Database != "" {
			words = append(words, fmt.Sprintf("%s about %s (%s)", item.Name, text.About(item.Estimate), item.Basis))
		}
	}
	c.Message = strings.Join(words, "; ")
	return c
}
