package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// RunOptions are what `promote run` was asked for.
type RunOptions struct {
	From, To    string
	Phases      []promotion.Phase
	ID          string     // carries a promotion on; empty begins a new one
	Plan        *plan.Plan // run exactly this, or refuse
	ReleaseHold bool       // also a release on hold
}

// Promote runs the phases of a promotion. The result is complete whatever happened; the error is only for what kept it from
// being told.
func (d *Driver) Promote(ctx context.Context, o RunOptions) (promotion.Result, error) {
	p := &promoting{d: d, o: o, started: d.now()}
	defer p.end()
	res, err := p.run(ctx)
	if err != nil {
		return p.refused(res, err)
	}
	return res, nil
}

// promoting is one call of Promote.
type promoting struct {
	d         *Driver
	o         RunOptions
	s         *sides
	id        string
	plan      plan.Plan
	begun     bool
	started   time.Time
	backup    string
	checks    []promotion.Check
	preflight time.Time // when its checks began
	last      int64     // number of the last event that was seen
	protect   []string  // backups that are not removed
}

func (p *promoting) run(ctx context.Context) (promotion.Result, error) {
	d := p.d
	var err error
	if p.s, err = d.pair(ctx, p.o.From, p.o.To); err != nil {
		return promotion.Result{}, err
	}
	p.id = cmp.Or(p.o.ID, promotion.NewID(d.now(), d.Run))
	if err := d.Prepare(ctx, p.s.to); err != nil {
		return promotion.Result{}, err
	}
	if p.o.ID != "" {
		if res, joined, err := p.join(ctx); joined || err != nil {
			return res, err
		}
	}
	if err := p.s.start(ctx, d, func(ctx context.Context) (*agent.Remote, error) {
		r, err := agent.StartPromoter(ctx, p.s.to.Engine, p.s.to.Compose.Project, p.id, p.s.to.who)
		if err != nil {
			return nil, lockError(err)
		}
		return r, nil
	}); err != nil {
		return promotion.Result{}, err
	}
	if err := p.begin(ctx); err != nil {
		return promotion.Result{}, err
	}
	for _, phase := range p.o.Phases {
		if phase.Mutates() {
			// From here on the target needs nobody.
			return p.mutate(ctx, p.o.Phases[slices.Index(p.o.Phases, phase):])
		}
		if err := p.prepare(ctx, phase); err != nil {
			return promotion.Result{}, err
		}
	}
	return p.result(ctx)
}

func lockError(err error) error {
	var locked *agent.LockedError
	if errors.As(err, &locked) {
		return &Error{Outcome: promotion.Locked, Message: "the target is locked", Err: err}
	}
	return refused(err)
}

// join follows a promotion that runs at the moment, instead of taking the lock that it holds.
func (p *promoting) join(ctx context.Context) (promotion.Result, bool, error) {
	r, err := agent.Join(ctx, p.s.to.Engine, p.s.to.Compose.Project)
	if errors.Is(err, agent.ErrNoAgent) {
		return promotion.Result{}, false, nil
	}
	if err != nil {
		return promotion.Result{}, true, refused(err)
	}
	info, err := r.Info(ctx)
	if err != nil {
		return promotion.Result{}, true, refused(err)
	}
	if info.Problem != nil {
		r.Close()
		return promotion.Result{}, true, refused(info.Problem)
	}
	if info.Promotion != p.id {
		defer r.Close()
		locked := r.Locked(ctx, p.s.to.Compose.Project)
		if locked == nil {
			return promotion.Result{}, false, nil // it has just left
		}
		return promotion.Result{}, true, lockError(locked)
	}
	p.s.toAgent, p.begun = r, true
	if err := r.Call(ctx, "plan", agent.RunRequest{ID: p.id}, &p.plan, nil); err != nil {
		return promotion.Result{}, true, err
	}
	if p.resting(ctx, info) {
		res, err := p.mutate(ctx, p.o.Phases)
		return res, true, err
	}
	res, err := p.follow(ctx)
	return res, true, err
}

// resting reports whether the promotion waits for its next phase, and that phase was asked for.
func (p *promoting) resting(ctx context.Context, info agent.Info) bool {
	if info.Outcome != "" {
		return false
	}
	var res promotion.Result
	if err := p.s.toAgent.Call(ctx, "result", agent.RunRequest{ID: p.id}, &res, nil); err != nil || res.Outcome != promotion.Running {
		return false
	}
	for _, ph := range res.Phases {
		if ph.Status == promotion.Pass {
			p.o.Phases = slices.DeleteFunc(slices.Clone(p.o.Phases), func(x promotion.Phase) bool { return x == ph.Phase })
		}
	}
	return info.Idle && len(p.o.Phases) > 0 && p.o.Phases[0].Mutates()
}

// begin reads both sides, makes the plan, and hands everything over; or takes up what an earlier call handed over.
func (p *promoting) begin(ctx context.Context) error {
	d := p.d
	var err error
	if err := d.read(ctx, p.s); err != nil {
		return err
	}
	fresh, problems, err := d.plan(ctx, p.s, p.id)
	if err != nil {
		return err
	}
	p.plan = fresh
	if p.o.ID != "" {
		return p.takeUp(ctx, fresh)
	}
	if p.o.Plan != nil && p.o.Plan.Fingerprint != fresh.Fingerprint {
		return &Error{Outcome: promotion.Refused, Message: "the plan no longer holds: " + strings.Join(Moved(*p.o.Plan, fresh), "; "), Advice: "make and approve a new one: promote plan --save FILE"}
	}
	p.preflight = d.now()
	p.checks, err = d.preflight(ctx, p.s, fresh, problems, p.o.ReleaseHold)
	if err != nil {
		return refused(err)
	}
	if len(promotion.Blocking(p.checks)) == 0 {
		p.checks = append(p.checks, d.measure(ctx, p.s, &p.plan, false))
		fresh = p.plan
	}
	model, err := d.model(p.s, fresh)
	if err != nil && len(promotion.Blocking(p.checks)) == 0 {
		return refused(err)
	}
	spec := p.s.to.Spec
	spec.Custom = d.custom(p.s.to, "verify")
	err = p.s.toAgent.Call(ctx, "begin", agent.Begin{
		ID: p.id, By: d.By, Plan: fresh, Spec: spec, Model: model, Files: d.configurationFiles(p.s.to),
	}, nil, nil)
	if err != nil {
		return refused(err)
	}
	p.begun = true
	return nil
}

// takeUp checks that what an earlier call planned is still what would be done.
func (p *promoting) takeUp(ctx context.Context, fresh plan.Plan) error {
	var stored plan.Plan
	if err := p.s.toAgent.Call(ctx, "plan", agent.RunRequest{ID: p.id}, &stored, nil); err != nil {
		return refused(err)
	}
	if stored.Fingerprint != fresh.Fingerprint {
		return &Error{Outcome: promotion.Refused, Message: "the promotion can't go on: " + strings.Join(Moved(stored, fresh), "; "), Advice: "begin a new one: promote run"}
	}
	p.plan, p.begun = stored, true
	return nil
}

// Moved says in words what differs between a plan and what would be planned now.
func Moved(old, now plan.Plan) []string {
	var out []string
	if old.From != now.From || old.To != now.To {
		out = append(out, fmt.Sprintf("it was made for %s to %s", old.From, old.To))
	}
	if old.Release.ID != now.Release.ID {
		out = append(out, fmt.Sprintf("the source now runs release %s, not %s", now.Release.ID, old.Release.ID))
	}
	for _, c := range now.Changes {
		at := slices.IndexFunc(old.Changes, func(o plan.Change) bool { return o.Service == c.Service })
		switch {
		case at < 0:
			out = append(out, "service "+c.Service+" is new")
		case old.Changes[at].From != c.From:
			out = append(out, "the target runs another image of "+c.Service)
		case old.Changes[at].Action != c.Action:
			out = append(out, fmt.Sprintf("%s would now be: %s", c.Service, c.Action))
		}
	}
	if len(out) == 0 {
		out = append(out, "containers, schema or configuration of the target have changed since")
	}
	return out
}

// prepare runs a phase that touches nothing.
func (p *promoting) prepare(ctx context.Context, phase promotion.Phase) error {
	var state promotion.Result
	if err := p.s.toAgent.Call(ctx, "result", agent.RunRequest{ID: p.id}, &state, nil); err != nil {
		return refused(err)
	}
	for _, ph := range state.Phases {
		if ph.Phase == phase && ph.Status == promotion.Pass {
			return nil
		}
	}
	started := p.d.now()
	switch phase {
	case promotion.Preflight:
		p.event(promotion.Event{Type: promotion.PhaseStarted, Phase: phase})
		for _, c := range p.checks {
			p.event(promotion.Event{Type: promotion.CheckEnded, Phase: phase, Check: &c, Status: c.Status})
		}
		if !p.preflight.IsZero() {
			started = p.preflight
		}
		return p.report(ctx, phase, p.checks, started)
	case promotion.Test:
		p.event(promotion.Event{Type: promotion.PhaseStarted, Phase: phase})
		checks, err := p.d.test(ctx, p.s.from, p.s.fromAgent, nil)
		if err != nil {
			return p.cancelled(ctx, err)
		}
		for i, c := range checks {
			if c.Status == promotion.Fail && !c.Critical {
				checks[i].Status = promotion.Warn
			}
		}
		return p.judged(ctx, phase, checks, started)
	default:
		return p.saveBackup(ctx)
	}
}

// judged reports the tests together with the verdict of the comparison that they are part of. Where a test fails already there is
// nothing left to weigh.
func (p *promoting) judged(ctx context.Context, phase promotion.Phase, tests []promotion.Check, started time.Time) error {
	if len(promotion.Blocking(tests)) > 0 {
		return p.report(ctx, phase, tests, started)
	}
	c, err := p.d.readiness(ctx, p.s, p.checks, tests)
	if err != nil {
		return p.cancelled(ctx, err)
	}
	check := verdictCheck(c, p.d.Config.Policy)
	p.event(promotion.Event{Type: promotion.CheckEnded, Phase: phase, Check: &check, Status: check.Status})
	return inconclusive(p.report(ctx, phase, append(tests, check), started), c)
}

// report hands the checks of a phase to the journal at the target, and refuses when one of them forbids going on.
func (p *promoting) report(ctx context.Context, phase promotion.Phase, checks []promotion.Check, started time.Time) error {
	rep := agent.Report{ID: p.id, Phase: phase, Checks: checks, Took: promotion.Milliseconds(p.d.now().Sub(started))}
	blocking := promotion.Blocking(checks)
	status := promotion.Pass
	if len(blocking) > 0 {
		status = promotion.Fail
		b := blocking[0]
		rep.Failure = &promotion.Failure{Phase: phase, Step: b.Name, Message: blockingText(blocking), Service: b.Service, Log: b.Detail, Hint: b.Hint}
	}
	err := p.s.toAgent.Call(ctx, "report", rep, nil, nil)
	p.event(promotion.Event{Type: promotion.PhaseEnded, Phase: phase, Status: status, Took: rep.Took})
	if err != nil {
		return refused(err)
	}
	if len(blocking) > 0 {
		return &Error{Outcome: promotion.Refused, Message: fmt.Sprintf("%s: %s", phase, blockingText(blocking)), Advice: blocking[0].Hint}
	}
	return p.cancelled(ctx, nil)
}

func blockingText(blocking []promotion.Check) string {
	b := blocking[0]
	text := b.Message
	if b.Service != "" {
		text = b.Service + ": " + text
	}
	if n := len(blocking) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	return text
}

// cancelled turns the end of ctx into a cancellation.
func (p *promoting) cancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &Error{Outcome: promotion.Canceled, Message: "cancelled before anything was touched"}
	}
	return err
}

func (p *promoting) event(e promotion.Event) {
	e.Time = p.d.now()
	p.d.View.Event(e)
}

// saveBackup runs the backup phase: images to the target, the restore point there, the portable copy here.
func (p *promoting) saveBackup(ctx context.Context) error {
	started := p.d.now()
	p.event(promotion.Event{Type: promotion.PhaseStarted, Phase: promotion.Backup})
	status := promotion.Fail
	defer func() {
		p.event(promotion.Event{Type: promotion.PhaseEnded, Phase: promotion.Backup, Status: status, Took: promotion.Milliseconds(p.d.now().Sub(started))})
	}()
	for _, item := range p.plan.Of(promotion.Backup) {
		if m, ok := item.Step.(*step.MoveImages); ok {
			if err := p.own(ctx, item, func() error { return p.moveImages(ctx, m) }); err != nil {
				return err
			}
		}
	}
	res, err := p.call(ctx, "run", agent.RunRequest{ID: p.id, Phases: []promotion.Phase{promotion.Backup}})
	if err != nil {
		return p.cancelled(ctx, refused(err))
	}
	if res.Failure != nil {
		return &Error{Outcome: promotion.Refused, Message: fmt.Sprintf("backup: %s", res.Failure.Message), Advice: res.Failure.Hint}
	}
	for _, item := range p.plan.Of(promotion.Backup) {
		if e, ok := item.Step.(*step.ExportBackup); ok {
			if err := p.own(ctx, item, func() error { return p.export(ctx, e) }); err != nil {
				return err
			}
		}
	}
	status = promotion.Pass
	return p.cancelled(ctx, nil)
}

// own does a step that only the driver can do, and reports it.
func (p *promoting) own(ctx context.Context, item step.Item, do func() error) error {
	started := p.d.now()
	p.event(promotion.Event{Type: promotion.StepStarted, Phase: item.Phase, Step: item.Name, Message: item.Step.Describe()})
	err := do()
	rep := agent.Report{ID: p.id, Phase: item.Phase, Step: item.Name, Took: promotion.Milliseconds(p.d.now().Sub(started))}
	status := promotion.Pass
	if err != nil {
		status = promotion.Fail
		rep.Failure = &promotion.Failure{Phase: item.Phase, Step: item.Name, Message: err.Error()}
	}
	p.event(promotion.Event{Type: promotion.StepEnded, Phase: item.Phase, Step: item.Name, Message: item.Step.Describe(), Status: status, Failure: rep.Failure, Took: rep.Took})
	told := p.s.toAgent.Call(ctx, "report", rep, nil, nil)
	if err != nil {
		return p.cancelled(ctx, &Error{Outcome: promotion.Refused, Message: item.Name, Err: err})
	}
	if told != nil {
		return p.cancelled(ctx, refused(told))
	}
	return nil
}

// result asks for the account so far.
func (p *promoting) result(ctx context.Context) (promotion.Result, error) {
	var res promotion.Result
	err := p.s.toAgent.Call(ctx, "result", agent.RunRequest{ID: p.id}, &res, nil)
	return p.complete(res), err
}

// complete adds what only the driver knows.
func (p *promoting) complete(res promotion.Result) promotion.Result {
	res.Command = "run"
	res.BackupPath = p.backup
	if res.Outcome == promotion.Done {
		res.Next = append(res.Next, p.stale()...)
	}
	if res.Outcome == promotion.Running {
		res.Next = append(res.Next, fmt.Sprintf("promote run --from %s --to %s --id %s --phase %s", p.o.From, p.o.To, p.id, nextPhase(res)))
	}
	return res
}

// stale says which images the target's Compose files still name: a plain `docker compose up` there would bring them back.
func (p *promoting) stale() []string {
	if p.s == nil || p.s.to == nil || p.s.to.Model == nil {
		return nil
	}
	var old []string
	for _, c := range p.plan.Changes {
		svc, ok := p.s.to.Model.Service(c.Service)
		if ok && (c.Action == plan.Replace || c.Action == plan.Start || c.Action == plan.Run) && svc.Image != "" && !strings.HasPrefix(c.ToName, "sha256:") && svc.Image != c.ToName {
			old = append(old, fmt.Sprintf("%s (now %s)", svc.Image, c.ToName))
		}
	}
	if len(old) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the Compose files of %s still name %s: change them before the next docker compose up there", p.o.To, firstOf(old, 3))}
}

func nextPhase(res promotion.Result) promotion.Phase {
	for _, ph := range res.Phases {
		if ph.Status != promotion.Pass {
			return ph.Phase
		}
	}
	return promotion.Verify
}

// refused tells of a promotion that did not come to touch anything.
func (p *promoting) refused(res promotion.Result, err error) (promotion.Result, error) {
	outcome := promotion.Refused
	var known *Error
	if !errors.As(err, &known) {
		return res, err
	}
	outcome = cmp.Or(known.Outcome, outcome)
	if p.begun && p.s.toAgent != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = p.s.toAgent.Call(ctx, "abandon", agent.AbandonRequest{ID: p.id, Outcome: outcome, Why: err.Error()}, nil, nil)
		told, terr := p.result(ctx)
		if errors.Is(terr, agent.ErrChannel) {
			if told, terr = p.ended(ctx); terr == nil {
				return told, nil
			}
		}
		if terr == nil {
			res = told
		}
	}
	if res.Schema == "" {
		res = promotion.Result{Schema: "promote.result/1", Command: "run", ID: p.id, From: p.o.From, To: p.o.To, Started: p.started, By: p.d.By, Checks: p.checks}
		if p.s != nil && p.s.to != nil {
			res.Project = p.s.to.Compose.Project
		}
	}
	res.Outcome, res.Reason, res.Ended, res.Next = outcome, err.Error(), p.d.now(), nil
	if hint := known.Hint(); hint != "" {
		res.Next = append(res.Next, hint)
	}
	return res, nil
}

// ended is the account of a promotion that its agent has ended while this driver was away, cut off or stopped.
func (p *promoting) ended(ctx context.Context) (promotion.Result, error) {
	res, err := p.afterwards(ctx)
	if err != nil {
		return res, err
	}
	if res = p.complete(res); res.Outcome == promotion.Canceled {
		res.Reason += ": this driver was not heard of for too long"
		res.Next = append(res.Next, fmt.Sprintf("promote run --from %s --to %s begins a new one", p.o.From, p.o.To))
	}
	return res, nil
}

// end lets go of both agents.
func (p *promoting) end() {
	if p.s == nil {
		return
	}
	if p.s.fromAgent != nil {
		p.s.fromAgent.Close()
	}
	if p.s.toAgent != nil {
		p.s.toAgent.Leave(context.Background())
		p.s.toAgent.Close()
	}
}
