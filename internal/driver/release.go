package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/git"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

// sides are both environments of a promotion as they were read.
type sides struct {
	from, to         *Environment
	fromAgent        *agent.Remote // a reader
	toAgent          *agent.Remote // a reader, or the one that promotes
	fromSnap, toSnap snapshot.Snapshot
	git              git.State
	gitErr           error
}

// start starts the agents of both sides at one time: the source's reads, the target's is the caller's choice.
func (s *sides) start(ctx context.Context, d *Driver, target func(context.Context) (*agent.Remote, error)) error {
	for _, env := range []*Environment{s.from, s.to} { // one after the other: on one engine it is one image
		if err := d.Prepare(ctx, env); err != nil {
			return err
		}
	}
	defer d.View.Wait("start the agents")()
	var wg sync.WaitGroup
	var fromErr, toErr error
	wg.Go(func() { s.fromAgent, fromErr = d.Reader(ctx, s.from) })
	wg.Go(func() { s.toAgent, toErr = target(ctx) })
	wg.Wait()
	if toErr != nil {
		return toErr
	}
	return fromErr
}

// close ends the agents that only read.
func (s *sides) close() {
	for _, r := range []*agent.Remote{s.fromAgent, s.toAgent} {
		if r != nil {
			r.Close()
		}
	}
}

// read takes both snapshots at one time.
func (d *Driver) read(ctx context.Context, s *sides) error {
	done := d.View.Wait("read " + s.from.Name + " and " + s.to.Name)
	defer done()
	var wg sync.WaitGroup
	var fromErr, toErr error
	wg.Go(func() { fromErr = s.fromAgent.Call(ctx, "snapshot", s.from.Spec, &s.fromSnap, nil) })
	wg.Go(func() { toErr = s.toAgent.Call(ctx, "snapshot", s.to.Spec, &s.toSnap, nil) })
	wg.Wait()
	for _, err := range []error{fromErr, toErr} {
		if err != nil {
			return refused(err)
		}
	}
	s.git, s.gitErr = d.repository(ctx)
	return nil
}

func (d *Driver) repository(ctx context.Context) (git.State, error) {
	if d.Repository != nil {
		return d.Repository()
	}
	return git.Read(ctx, d.Config.Root)
}

// refused gives an error of an agent its outcome.
func refused(err error) error {
	outcome := promotion.Refused
	var known *agent.Error
	if errors.As(err, &known) {
		outcome = cmp.Or(known.Outcome, outcome)
	}
	return &Error{Outcome: outcome, Message: "nothing was touched", Err: err}
}

// release reads what is promoted from the running source: every service's image. A one-shot whose container is gone is
// resolved by its name in the source's model.
func (d *Driver) release(ctx context.Context, s *sides) (plan.Release, []promotion.Check) {
	r := plan.Release{Commit: s.git.Commit, Branch: s.git.Branch, Subject: s.git.Subject, Author: s.git.Author}
	var problems []promotion.Check
	fail := func(service, message, hint string) {
		problems = append(problems, promotion.Check{Category: "images", Name: "release", Environment: s.from.Name, Service: service, Status: promotion.Fail, Critical: true, Message: message, Hint: hint})
	}
	seen := map[string]bool{}
	for _, svc := range s.fromSnap.Services {
		if len(svc.Containers) == 0 {
			continue
		}
		seen[svc.Name] = true
		c := svc.Containers[0]
		for _, other := range svc.Containers[1:] {
			if other.ImageID != c.ImageID {
				fail(svc.Name, fmt.Sprintf("its replicas run different images: %s runs %s, %s runs %s", c.Name, short(c.ImageID), other.Name, short(other.ImageID)), "bring them to one image: docker compose up -d "+svc.Name)
			}
		}
		image := step.Image{Service: svc.Name, Ref: c.Image, ID: c.ImageID, Size: c.ImageSize}
		if len(c.RepoDigests) > 0 {
			image.RepoDigest = c.RepoDigests[0]
		}
		r.Images = append(r.Images, image)
		r.Commit = cmp.Or(r.Commit, c.Revision)
	}
	for _, svc := range s.from.Model.Services() {
		if seen[svc.Name] || svc.Image == "" || !s.from.Spec.Services[svc.Name].OneShot {
			continue
		}
		image, err := s.from.Engine.Image(ctx, svc.Image)
		if err != nil {
			fail(svc.Name, fmt.Sprintf("the one-shot has no container in %s, and its image %s is not on the engine", s.from.Name, svc.Image), "run it once there: docker compose up "+svc.Name)
			continue
		}
		r.Images = append(r.Images, step.Image{Service: svc.Name, Ref: svc.Image, ID: image.ID, Size: image.Size})
	}
	slices.SortFunc(r.Images, func(a, b step.Image) int { return cmp.Compare(a.Service, b.Service) })
	r.ID = r.Name()
	return r, problems
}

// services are the target's model as planning needs it.
func (d *Driver) services(s *sides) []plan.Service {
	var out []plan.Service
	for _, svc := range s.to.Model.Services() {
		conf := s.to.Spec.Services[svc.Name]
		running, _ := s.toSnap.Service(svc.Name)
		p := plan.Service{
			Name: svc.Name, Image: svc.Image, OneShot: conf.OneShot || running.OneShot && !hasHealth(running), HasHealthcheck: svc.HasHealthcheck,
			StartupTimeout: conf.StartupTimeout, StopGrace: svc.StopGrace,
		}
		// A one-shot on the database's image is a job all the same, such as a migration by psql.
		found := !p.OneShot && (running.Database || agent.IsDatastore(svc.Image, svc.Env, conf.Ports))
		p.Datastore = conf.Kind == string(config.DatabaseServer) || conf.Kind == "" && found
		for _, dep := range svc.DependsOn {
			p.DependsOn = append(p.DependsOn, plan.Dependency{Service: dep.Service, Condition: dep.Condition})
		}
		for _, m := range svc.Volumes {
			p.Volumes = append(p.Volumes, m.Name)
		}
		out = append(out, p)
	}
	return out
}

func hasHealth(svc snapshot.Service) bool {
	return slices.ContainsFunc(svc.Containers, func(c snapshot.Container) bool { return c.HasHealthcheck && c.State == "running" })
}

// moves are the images that the target's engine lacks.
func (d *Driver) moves(ctx context.Context, s *sides, r plan.Release) ([]step.Image, error) {
	if sameEngine(s) {
		return nil, nil
	}
	wanted := map[string]bool{}
	for _, svc := range s.to.Model.Services() {
		wanted[svc.Name] = true
	}
	var out []step.Image
	for _, image := range r.Images {
		if !wanted[image.Service] {
			continue
		}
		has, err := s.to.Engine.HasImage(ctx, image.ID)
		if err != nil {
			return nil, err
		}
		if !has {
			out = append(out, image)
		}
	}
	return out, nil
}

// sameEngine reports whether both environments run on one engine. Engines that were copied from one image can have one id.
func sameEngine(s *sides) bool {
	return s.from.Info.ID == s.to.Info.ID && s.from.Info.RootDir == s.to.Info.RootDir && s.from.Info.Name == s.to.Info.Name
}

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}
