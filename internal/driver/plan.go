package driver

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// keepCopies is how many finished promotions keep their database copies at the target.
const keepCopies = 1

// Plan reads both environments and says what a promotion would do. It touches nothing: agents that only read.
func (d *Driver) Plan(ctx context.Context, from, to string) (plan.Plan, []promotion.Check, error) {
	s, err := d.pair(ctx, from, to)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	defer s.close()
	if err := s.start(ctx, d, func(ctx context.Context) (*agent.Remote, error) { return d.Reader(ctx, s.to) }); err != nil {
		return plan.Plan{}, nil, err
	}
	if err := d.read(ctx, s); err != nil {
		return plan.Plan{}, nil, err
	}
	p, problems, err := d.plan(ctx, s, promotion.NewID(d.now(), cmp.Or(d.Run, "plan")))
	if err == nil && len(promotion.Blocking(problems)) == 0 {
		d.measure(ctx, s, &p, true)
		p.Warnings = append(p.Warnings, d.foresee(ctx, s, p)...)
	}
	return p, problems, err
}

// pair opens both environments.
func (d *Driver) pair(ctx context.Context, from, to string) (*sides, error) {
	if _, _, err := d.Config.Pair(from, to); err != nil {
		return nil, err
	}
	s := &sides{}
	var err error
	if s.from, err = d.Open(ctx, from); err != nil {
		return nil, err
	}
	if s.to, err = d.Open(ctx, to); err != nil {
		return nil, err
	}
	for _, env := range []*Environment{s.from, s.to} {
		var known []string
		for _, svc := range env.Model.Services() {
			known = append(known, svc.Name)
		}
		known = append(known, env.Model.Disabled()...)
		if err := d.Config.CheckServices(env.Name, known); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// plan decides. The checks are what keeps the plan from running, all at once.
func (d *Driver) plan(ctx context.Context, s *sides, id string) (plan.Plan, []promotion.Check, error) {
	release, problems := d.release(ctx, s)
	moves, err := d.moves(ctx, s, release)
	if err != nil {
		return plan.Plan{}, nil, refused(err)
	}
	policy := d.Config.Policy
	in := plan.Input{
		From: s.fromSnap, To: s.toSnap, Release: release, Services: d.services(s), Volumes: s.to.Spec.Volumes, Moves: moves, Dump: d.Config.Backup.Dump, Rehearse: policy.Rehearse == config.RehearseOn, ID: id, Tool: d.Version, Now: d.now(),
		Policy: plan.Policy{
			Settle: milliseconds(policy.Settle), Deadline: milliseconds(policy.Deadline),
			PhaseDeadline: milliseconds(policy.PhaseDeadline), KeepCopies: keepCopies,
		},
		CopyName: postgres.CopyName, ReplaceDatastores: policy.ReplaceDatabase, Backup: backup.Name(s.to.Name, d.now()),
	}
	if s.to.Checkout != "" {
		if in.Checkout, err = d.checkout(ctx, s, release); err != nil {
			problems = append(problems, promotion.Check{Category: "configuration", Name: "checkout", Environment: s.to.Name, Status: promotion.Fail, Critical: true, Message: err.Error()})
		}
	}
	p, more := plan.Build(in)
	for _, warning := range s.to.Model.Warnings() {
		p.Warnings = append(p.Warnings, "Compose: "+warning)
	}
	p.Warnings = append(p.Warnings, d.bindWarnings(s)...)
	return p, append(problems, more...), p.Seal(fingerprint(s))
}

func milliseconds(d config.Duration) promotion.Duration {
	return promotion.Milliseconds(time.Duration(d))
}

func (d *Driver) checkout(ctx context.Context, s *sides, release plan.Release) (*step.MoveCheckout, error) {
	if release.Commit == "" {
		return nil, fmt.Errorf("the release has no commit to move %s to: neither git nor the images' labels name one", s.to.Checkout)
	}
	var state agent.CheckoutState
	if err := s.toAgent.Call(ctx, "checkout", agent.CheckoutRequest{Spec: s.to.Spec, Path: s.to.Checkout}, &state, nil); err != nil {
		return nil, err
	}
	return &step.MoveCheckout{Path: s.to.Checkout, Commit: release.Commit, PreviousCommit: state.Commit, PreviousBranch: state.Branch}, nil
}

// fingerprint is a digest of what must not move between a plan and its run.
func fingerprint(s *sides) string {
	h := sha256.New()
	for _, svc := range s.toSnap.Services {
		for _, c := range svc.Containers {
			fmt.Fprintf(h, "to %s %s %s\n", svc.Name, c.ID, c.ImageID)
		}
	}
	for _, server := range s.toSnap.Servers {
		for _, db := range server.Databases {
			fmt.Fprintf(h, "to %s %s %s\n", server.Name, db.Name, db.SchemaHash)
		}
	}
	for _, svc := range s.fromSnap.Services {
		for _, c := range svc.Containers {
			fmt.Fprintf(h, "from %s %s\n", svc.Name, c.ImageID)
		}
	}
	for _, svc := range s.to.Model.Services() {
		hash, err := s.to.Model.Hash(svc.Name)
		if err != nil {
			hash = err.Error()
		}
		fmt.Fprintf(h, "model %s %s\n", svc.Name, hash)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// bindWarnings names bind mounts that cannot be right: paths of this machine on an engine of another.
func (d *Driver) bindWarnings(s *sides) []string {
	if s.to.Engine.Local() {
		return nil
	}
	var out []string
	for _, svc := range s.to.Model.Services() {
		for _, m := range svc.Binds {
			if strings.HasPrefix(m.Source, d.Config.Root+string(filepath.Separator)) {
				out = append(out, fmt.Sprintf("%s mounts %s: on an engine of another host that path has to exist there", svc.Name, m.Source))
			}
		}
	}
	return out
}

// model is the target's model with the release's images.
func (d *Driver) model(s *sides, p plan.Plan) ([]byte, error) {
	images := map[string]string{}
	for _, c := range p.Changes {
		switch c.Action {
		case plan.Replace, plan.Start, plan.Run:
			images[c.Service] = c.To
		case plan.Keep, plan.Leave:
		}
	}
	pinned, err := s.to.Model.Pin(images)
	if err != nil {
		return nil, err
	}
	return pinned.Marshal()
}
