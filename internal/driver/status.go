package driver

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// Status is one environment now and lately.
type Status struct {
	Environment string
	Snapshot    *snapshot.Snapshot // nil: it could not be read, Problem says why
	Problem     string
	Hint        string
	Current     *Current
	History     agent.History
}

// Current is the promotion that holds an environment.
type Current struct {
	ID     string
	By     string
	Since  time.Time
	Phase  promotion.Phase
	Step   string
	Stands bool // its agent does not run
}

// Status reads an environment without disturbing it: while a promotion is under way only the engine is asked, since a reader
// would join networks that may be made anew and open sessions that have to be ended. The error is only for a name that the
// configuration does not have; whatever else is wrong is the status's Problem.
func (d *Driver) Status(ctx context.Context, name string) (Status, error) {
	s := Status{Environment: name}
	if _, err := d.Config.Environment(name); err != nil {
		return s, err
	}
	env, err := d.opened(ctx, name)
	if err != nil {
		return s.problem(err), ctx.Err()
	}
	if s.Current, err = d.current(ctx, env); err != nil {
		return s.problem(err), ctx.Err()
	}
	r, err := d.Reader(ctx, env)
	if err != nil {
		return s.problem(err), ctx.Err()
	}
	defer r.Close()
	if s.History, err = history(ctx, env, r); err != nil {
		s = s.problem(err)
	}
	if s.Current != nil {
		if s.Snapshot, err = d.containers(ctx, env); err != nil {
			s = s.problem(err)
		}
		return s, ctx.Err()
	}
	var snap snapshot.Snapshot
	spec := env.Spec
	spec.Stats = true
	if err := r.Call(ctx, "snapshot", spec, &snap, nil); err != nil {
		return s.problem(err), ctx.Err()
	}
	s.Snapshot = &snap
	return s, ctx.Err()
}

func (s Status) problem(err error) Status {
	s.Problem = err.Error()
	var hinted interface{ Hint() string }
	var known *agent.Error
	switch {
	case errors.As(err, &known) && known.Hint != "":
		s.Problem, s.Hint = known.Message, known.Hint
	case errors.As(err, &hinted):
		s.Hint = hinted.Hint()
	}
	return s
}

// opened reaches an environment, or returns it when it was reached before.
func (d *Driver) opened(ctx context.Context, name string) (*Environment, error) {
	for _, env := range d.open {
		if env.Name == name && env.Model != nil {
			return env, nil
		}
	}
	return d.Open(ctx, name)
}

// current asks the agent that holds the environment; nil when there is none. One that stands still is not started.
func (d *Driver) current(ctx context.Context, env *Environment) (*Current, error) {
	c, err := env.Engine.Container(ctx, agent.Name(env.Compose.Project))
	if errors.Is(err, compose.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := &Current{ID: c.Labels[agent.LabelPromotion], By: c.Labels[agent.LabelBy], Since: c.CreatedAt, Stands: c.State != "running"}
	if now.Stands {
		return now, nil
	}
	r, err := agent.Join(ctx, env.Engine, env.Compose.Project)
	if errors.Is(err, agent.ErrNoAgent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	info, err := r.Info(ctx)
	if err != nil {
		return now, nil //nolint:nilerr // it holds the environment all the same
	}
	if info.Outcome != "" {
		return nil, nil // over: it is about to leave
	}
	now.ID, now.By, now.Phase, now.Step = cmp.Or(info.Promotion, now.ID), cmp.Or(info.By, now.By), info.Phase, info.Step
	if !info.Since.IsZero() {
		now.Since = info.Since
	}
	return now, nil
}

// containers is the part of a snapshot that the engine alone knows.
func (d *Driver) containers(ctx context.Context, env *Environment) (*snapshot.Snapshot, error) {
	all, err := env.Engine.Containers(ctx, env.Compose.Project)
	if err != nil {
		return nil, err
	}
	s := &snapshot.Snapshot{
		Schema: snapshot.Schema, Environment: env.Name, Project: env.Compose.Project, TakenAt: d.now().UTC(),
		Engine:  snapshot.Engine{ID: env.Info.ID, Name: env.Info.Name, Version: env.Info.Version, APIVersion: env.Info.APIVersion, OS: env.Info.OS, Arch: env.Info.Arch},
		Missing: []snapshot.Missing{{Part: "databases", Reason: "not asked while a promotion is under way"}},
	}
	services := map[string]*snapshot.Service{}
	for _, c := range all {
		if c.OneOff {
			continue
		}
		svc, known := services[c.Service]
		if !known {
			svc = &snapshot.Service{Name: c.Service, OneShot: env.Spec.Services[c.Service].OneShot}
			services[c.Service] = svc
		}
		svc.Containers = append(svc.Containers, running(ctx, env, c))
	}
	for _, svc := range services {
		s.Services = append(s.Services, *svc)
	}
	s.Sort()
	return s, nil
}

func running(ctx context.Context, env *Environment, c engine.Container) snapshot.Container {
	out := snapshot.Container{
		ID: c.ID, Name: c.Name, Image: c.Image, ImageID: c.ImageID, State: c.State, Health: c.Health, HasHealthcheck: c.HasHealthcheck, ExitCode: c.ExitCode,
		Restarts: c.Restarts, StartedAt: c.StartedAt, Created: c.CreatedAt, Restart: c.RestartPolicy,
	}
	if image, err := env.Engine.Image(ctx, c.ImageID); err == nil {
		out.Version, out.Revision = image.Labels["org.opencontainers.image.version"], image.Labels["org.opencontainers.image.revision"]
	}
	return out
}

// Changes returns a channel that gets a value when something happens to the containers of the environment, until ctx ends.
func (d *Driver) Changes(ctx context.Context, name string) (<-chan struct{}, error) {
	env, err := d.opened(ctx, name)
	if err != nil {
		return nil, err
	}
	events, err := env.Engine.Events(ctx, env.Compose.Project)
	if err != nil {
		return nil, err
	}
	out := make(chan struct{}, 1)
	go func() {
		for e := range events {
			if len(e.Action) > 5 && e.Action[:5] == "exec_" { // health checks
				continue
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, nil
}
