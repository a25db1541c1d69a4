package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// preflight proves at the target what only the target can prove. It touches nothing but throwaway objects.
func (s *Server) preflight(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[PreflightRequest](in)
	if err != nil {
		return nil, err
	}
	p := prover{s: s, req: req, env: s.environment(req.Spec)}
	if err := p.state(); err != nil {
		p.add("state", promotion.Fail, err.Error(), hintOf(err, "the state is in volume "+StateVolume(req.Spec.Project)+" on the target's engine"))
	} else {
		p.add("state", promotion.Pass, "the state volume "+StateVolume(req.Spec.Project)+" is writable, no promotion is unfinished", "")
	}
	p.hold()
	p.room()
	p.databases(ctx)
	p.checkout(ctx)
	return p.checks, nil
}

type prover struct {
	s      *Server
	req    PreflightRequest
	env    *environment
	checks []promotion.Check
}

func (p *prover) add(name string, status promotion.Status, message, hint string) {
	p.checks = append(p.checks, promotion.Check{
		Category: "target", Name: name, Environment: p.req.Spec.Environment, Status: status, Critical: status == promotion.Fail || status == promotion.Error, Message: message, Hint: hint,
	})
}

// state proves that the journal can be written, and that nothing is unfinished.
func (p *prover) state() error {
	if err := p.s.store.Writable(); err != nil {
		return err
	}
	return p.last()
}

// last looks at the promotions that were.
func (p *prover) last() error {
	list, err := p.s.store.List()
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Err != nil {
			return &Error{Message: fmt.Sprintf("the journal of promotion %s cannot be read: %v", e.ID, e.Err), Hint: "look whether the target is in order, then close it: promote recover --accept 'what was found'"}
		}
		if e.State.Unfinished() && e.State.RollingBack {
			return &Error{Message: fmt.Sprintf("promotion %s is unfinished (%s)", e.ID, e.State.Phase), Hint: "promote recover"}
		}
	}
	for _, e := range list { // newest first: only the last word on the target counts
		switch e.State.Outcome {
		case promotion.RollbackFailed:
			return &Error{Message: fmt.Sprintf("promotion %s failed and was not rolled back", e.ID), Hint: "promote rollback " + e.ID + ", or put it right by hand and close it: promote recover --accept 'what was done'"}
		case promotion.Done, promotion.RolledBack, promotion.Restored, promotion.Accepted:
			return nil
		}
	}
	return nil
}

// hintOf is the hint of an error, or another one.
func hintOf(err error, otherwise string) string {
	var known *Error
	if errors.As(err, &known) && known.Hint != "" {
		return known.Hint
	}
	return otherwise
}

func (p *prover) hold() {
	hold, held, err := p.s.store.Held(p.req.Plan.Release.ID)
	switch {
	case err != nil:
		p.add("hold", promotion.Error, err.Error(), "")
	case held:
		e := heldError(p.req.Plan.Release.ID, hold)
		p.add("hold", promotion.Fail, e.Message, e.Hint)
	default:
		p.add("hold", promotion.Pass, "release "+p.req.Plan.Release.ID+" is not on hold", "")
	}
}

// room compares what the promotion needs with what is free, leaving a tenth of the disk alone.
func (p *prover) room() {
	free, total := disk(StateDir)
	if total == 0 { // a reader, or before the first promotion: its own root lies on the engine's disk as well
		free, total = disk("/")
	}
	need := p.req.Plan.Estimate.Disk
	message := fmt.Sprintf("%s needed for copies, backup and images, %s free of %s", step.Bytes(need), step.Bytes(free), step.Bytes(total))
	switch {
	case total == 0:
		p.add("disk", promotion.Error, "the free space of the engine's disk could not be read", "")
	case need > free:
		p.add("disk", promotion.Fail, message, "free space on the engine's host (docker system df), or shorten what is kept")
	case free-need < total/20:
		p.add("disk", promotion.Warn, message+": less than 5 % would be left", "free space on the engine's host (docker system df)")
	default:
		p.add("disk", promotion.Pass, message, "")
	}
}

// databases tries for real, on throwaway databases, what a rollback will need.
func (p *prover) databases(ctx context.Context) {
	for _, item := range p.req.Plan.Steps {
		c, ok := item.Step.(*step.CopyDatabase)
		if !ok {
			continue
		}
		name := "rollback of " + c.Database
		db, err := p.env.database(ctx, c.Server, point{})
		if err != nil {
			p.add(name, promotion.Fail, err.Error(), "see databases in the configuration")
			continue
		}
		if db.found.container.ID == "" {
			if err := p.env.fetchClient(ctx, db.pg.Major()); err != nil {
				p.add(name, promotion.Fail, err.Error(), hintOf(err, ""))
				continue
			}
		}
		way := proveWayBack(ctx, db.pg, c, p.dumps(c))
		p.add(name, way.status, way.message, way.hint)
	}
}

// dumps reports whether the plan takes a dump of the database.
func (p *prover) dumps(c *step.CopyDatabase) bool {
	return slices.ContainsFunc(p.req.Plan.Steps, func(item step.Item) bool {
		d, ok := item.Step.(*step.DumpDatabase)
		return ok && d.Server == c.Server && d.Database == c.Database
	})
}

func (p *prover) checkout(ctx context.Context) {
	for _, item := range p.req.Plan.Steps {
		m, ok := item.Step.(*step.MoveCheckout)
		if !ok {
			continue
		}
		t := step.Target{Checkout: &checkout{env: p.env}}
		if err := m.Check(ctx, &t); err != nil {
			p.add("checkout", promotion.Fail, err.Error(), "")
		} else {
			p.add("checkout", promotion.Pass, m.Path+" is clean", "")
		}
	}
}

// readCheckout reads a checkout of the engine's host, for the plan.
func (s *Server) readCheckout(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[CheckoutRequest](in)
	if err != nil {
		return nil, err
	}
	if req.Path == "" {
		return nil, errors.New("no checkout named")
	}
	commit, branch, dirty, err := (&checkout{env: s.environment(req.Spec)}).Head(ctx, req.Path)
	return CheckoutState{Commit: commit, Branch: branch, Dirty: dirty}, err
}
