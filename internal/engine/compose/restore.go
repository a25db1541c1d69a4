package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/org/promote-action/internal/engine"
)

// RestoreOptions narrow a restore.
type RestoreOptions struct {
	Services      []string      // empty means every service
	Keep          []string      // neither stopped nor replaced; made and started when missing or standing still
	HealthTimeout time.Duration // for each dependency that must be healthy before another starts; 0 means 2 minutes
}

// restoration is one run of Restore.
type restoration struct {
	e     *Engine
	rec   Record
	opts  RestoreOptions
	tell  func(engine.Event)
	peers map[string]string // present container IDs → names

	// here holds, by recorded name, the present ID of each container that is the recorded one or its exact twin.
	here map[string]string
}

// Restore makes the project's containers what the record says: same names, images, options, networks and volumes, those
// that ran running, those that did not standing still. One-shots are made again but not run. It begins wherever it finds
// things and may be repeated; a container that is the recorded one is never replaced. Health is awaited only where one
// service needs another healthy; let WaitHealthy judge the whole.
func (e *Engine) Restore(ctx context.Context, rec Record, opts RestoreOptions, onEvent func(engine.Event)) error {
	if rec.Format != RecordFormat {
		return fmt.Errorf("restore: record format %d is unknown: this version reads format %d", rec.Format, RecordFormat)
	}
	r := &restoration{e: e, rec: rec, opts: opts, tell: serial(onEvent), here: map[string]string{}, peers: map[string]string{}}
	for _, step := range []func(context.Context) error{
		r.clear, // what is not recorded goes first: it may hold names, ports and addresses
		r.networks,
		r.volumes,
		r.create,
		r.reconnect,
		r.halt,
		r.start,
	} {
		if err := errors.Join(step(ctx), ctx.Err()); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

func (r *restoration) inScope(service string) bool {
	return len(r.opts.Services) == 0 || slices.Contains(r.opts.Services, service) || slices.Contains(r.opts.Keep, service)
}

func (r *restoration) kept(service string) bool { return slices.Contains(r.opts.Keep, service) }

func (r *restoration) event(action, service, name, text string) {
	r.tell(engine.Event{Time: time.Now(), Kind: "container", Action: action, Service: service, Container: name, Text: text})
}

// clear removes the containers of the services that are neither recorded nor like a recorded one.
func (r *restoration) clear(ctx context.Context) error {
	all, err := r.e.inspectAll(ctx, ofProject(r.rec.Project))
	if err != nil {
		return err
	}
	for _, in := range all {
		r.peers[in.ID] = strings.TrimPrefix(in.Name, "/")
	}
	byID := map[string]RecordedContainer{}
	for _, rc := range r.rec.Containers {
		byID[rc.ID] = rc
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, in := range all {
		c := describe(in)
		if rc, ok := byID[c.ID]; ok && (!r.orphaned(rc) || r.kept(rc.Service)) {
			r.here[rc.Name] = c.ID
			continue
		}
		if c.OneOff || !r.inScope(c.Service) {
			continue
		}
		if name, err := r.twin(in, c); err != nil {
			return err
		} else if name != "" {
			r.here[name] = c.ID
			continue
		}
		if r.kept(c.Service) {
			continue
		}
		g.Go(func() error {
			r.event("removing", c.Service, c.Name, "")
			if active(c.State) {
				if _, err := r.e.stop(gctx, c); err != nil {
					return err
				}
			}
			if err := r.e.remove(gctx, c.ID, false); err != nil {
				return err
			}
			r.event("removed", c.Service, c.Name, "")
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return r.rename(ctx)
}

// orphaned reports whether a container shares the namespace or volumes of one that is gone: it can never start again.
func (r *restoration) orphaned(rc RecordedContainer) bool {
	for id := range rc.Peers {
		if _, ok := r.peers[id]; !ok {
			return true
		}
	}
	return false
}

// twin finds the recorded container that a present one is an exact copy of, made by an earlier run of Restore.
func (r *restoration) twin(in container.InspectResponse, c engine.Container) (string, error) {
	for _, rc := range r.rec.Containers {
		if rc.Name != c.Name || rc.Service != c.Service || rc.ImageID != c.ImageID {
			continue
		}
		want, err := specText(rc)
		if err != nil {
			return "", err
		}
		got, err := specText(recorded(in, c, r.peers))
		if err != nil {
			return "", err
		}
		if got == want {
			return rc.Name, nil
		}
	}
	return "", nil
}

// rename gives back the names that Compose takes away for the moment of a replacement.
func (r *restoration) rename(ctx context.Context) error {
	for _, rc := range r.rec.Containers {
		id := r.here[rc.Name]
		if id != rc.ID || r.peers[id] == rc.Name || !r.inScope(rc.Service) {
			continue
		}
		if err := r.e.api.ContainerRename(ctx, id, rc.Name); err != nil {
			return fmt.Errorf("rename %s to %s: %w", r.peers[id], rc.Name, err)
		}
	}
	return nil
}

// halt stops what ran neither then, and sets restart policies that were changed meanwhile.
func (r *restoration) halt(ctx context.Context) error {
	for _, rc := range r.rec.Containers {
		if !r.inScope(rc.Service) {
			continue
		}
		in, err := r.e.api.ContainerInspect(ctx, r.here[rc.Name])
		if err != nil {
			return fmt.Errorf("container %s: %w", rc.Name, err)
		}
		if in.HostConfig.RestartPolicy != rc.Host.RestartPolicy {
			_, err := r.e.api.ContainerUpdate(ctx, in.ID, container.UpdateConfig{RestartPolicy: rc.Host.RestartPolicy})
			if err != nil {
				return fmt.Errorf("restart policy of %s: %w", rc.Name, err)
			}
		}
		c := describe(in)
		if active(c.State) && !rc.Running() && !r.kept(rc.Service) {
			if _, err := r.e.stop(ctx, c); err != nil {
				return err
			}
			r.event("stopped", rc.Service, rc.Name, "")
		}
	}
	return nil
}

// start brings up what ran, what others depend on first.
func (r *restoration) start(ctx context.Context) error {
	for _, level := range r.levels() {
		g, gctx := errgroup.WithContext(ctx)
		for _, rc := range level {
			if rc.Running() {
				g.Go(func() error { return r.startOne(gctx, rc) })
			}
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func (r *restoration) startOne(ctx context.Context, rc RecordedContainer) error {
	id := r.here[rc.Name]
	in, err := r.e.api.ContainerInspect(ctx, id)
	if err != nil {
		return fmt.Errorf("container %s: %w", rc.Name, err)
	}
	if in.State.Paused && rc.State != "paused" {
		if err := r.e.api.ContainerUnpause(ctx, id); err != nil {
			return fmt.Errorf("unpause %s: %w", rc.Name, err)
		}
		return nil
	}
	if !in.State.Running {
		if err := r.awaitNeeds(ctx, rc); err != nil {
			return err
		}
		r.event("starting", rc.Service, rc.Name, "")
		if err := r.e.Start(ctx, id); err != nil {
			return fmt.Errorf("%s: %w", rc.Name, err)
		}
		r.event("started", rc.Service, rc.Name, "")
	}
	if rc.State == "paused" && !in.State.Paused {
		if err := r.e.api.ContainerPause(ctx, id); err != nil {
			return fmt.Errorf("pause %s: %w", rc.Name, err)
		}
	}
	return nil
}

// awaitNeeds waits for the dependencies that must be healthy and were running.
func (r *restoration) awaitNeeds(ctx context.Context, rc RecordedContainer) error {
	timeout := r.opts.HealthTimeout
	if timeout == 0 {
		timeout = 2 * time.Minute
	}
	var wants []engine.Want
	for _, d := range rc.DependsOn {
		ran := func(o RecordedContainer) bool { return o.Service == d.Service && o.State == "running" }
		if d.Condition == engine.ConditionHealthy && slices.ContainsFunc(r.rec.Containers, ran) {
			wants = append(wants, engine.Want{Service: d.Service, Timeout: timeout})
		}
	}
	if len(wants) == 0 {
		return nil
	}
	return r.e.WaitHealthy(ctx, r.rec.Project, wants, nil)
}

// levels orders the recorded containers in scope by what they need of each other.
func (r *restoration) levels() [][]RecordedContainer {
	needs := map[string][]string{}
	byService := map[string][]RecordedContainer{}
	serviceOf := map[string]string{}
	for _, rc := range r.rec.Containers {
		serviceOf[rc.Name] = rc.Service
	}
	var services []string
	for _, rc := range r.rec.Containers {
		if !r.inScope(rc.Service) {
			continue
		}
		if byService[rc.Service] == nil {
			services = append(services, rc.Service)
		}
		byService[rc.Service] = append(byService[rc.Service], rc)
		for _, d := range rc.DependsOn {
			needs[rc.Service] = append(needs[rc.Service], d.Service)
		}
		for _, peer := range rc.Peers {
			needs[rc.Service] = append(needs[rc.Service], serviceOf[peer])
		}
	}
	var out [][]RecordedContainer
	for _, names := range levels(services, needs) {
		var level []RecordedContainer
		for _, s := range names {
			level = append(level, byService[s]...)
		}
		out = append(out, level)
	}
	return out
}
