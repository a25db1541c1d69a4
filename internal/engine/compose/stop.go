package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/org/promote-action/internal/engine"
)

// Stop stops the named services, dependents before what they depend on and those of one level together, each with its
// own signal and grace period. needs adds dependencies to those that the containers' labels hold, and may be nil. What is
// not running is left alone. The result lists the containers that were stopped, those before a failure too.
func (e *Engine) Stop(ctx context.Context, project string, services []string, needs map[string][]string, onEvent func(engine.Event)) ([]engine.Stopped, error) {
	all, err := e.Containers(ctx, project)
	if err != nil {
		return nil, err
	}
	graph := needsOf(all)
	var names []string
	for _, c := range all {
		if !slices.Contains(names, c.Service) {
			names = append(names, c.Service)
		}
	}
	for s, deps := range needs {
		graph[s] = append(graph[s], deps...)
	}
	order := levels(names, graph)
	slices.Reverse(order)
	var out []engine.Stopped
	for _, level := range order {
		done, err := e.stopLevel(ctx, all, level, services, onEvent)
		out = append(out, done...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func (e *Engine) stopLevel(ctx context.Context, all []engine.Container, level, services []string, onEvent func(engine.Event)) ([]engine.Stopped, error) {
	var mu sync.Mutex
	var out []engine.Stopped
	var g errgroup.Group // one that fails must not cut the others short
	for _, c := range all {
		if !slices.Contains(level, c.Service) || !slices.Contains(services, c.Service) || !active(c.State) {
			continue
		}
		g.Go(func() error {
			s, err := e.stop(ctx, c)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out = append(out, s)
			if onEvent != nil {
				onEvent(engine.Event{Time: time.Now(), Kind: "container", Action: "stopped", Service: s.Service, Container: s.Container, ID: c.ID, ExitCode: s.ExitCode, Warning: s.Killed, Text: stopText(s)})
			}
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(out, func(a, b engine.Stopped) int { return strings.Compare(a.Container, b.Container) })
	return out, err
}

func active(state string) bool {
	return state == "running" || state == "restarting" || state == "paused"
}

func stopText(s engine.Stopped) string {
	if s.Killed {
		return fmt.Sprintf("killed after its grace period of %s", s.Grace)
	}
	return fmt.Sprintf("exited %d after %.1f s", s.ExitCode, s.Took.Seconds())
}

func (e *Engine) stop(ctx context.Context, c engine.Container) (engine.Stopped, error) {
	out := engine.Stopped{Service: c.Service, Container: c.Name, Grace: c.StopTimeout}
	start := time.Now()
	err := e.api.ContainerStop(ctx, c.ID, container.StopOptions{})
	out.Took = time.Since(start)
	if errdefs.IsNotFound(err) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("stop %s: %w", c.Name, err)
	}
	in, err := e.api.ContainerInspect(ctx, c.ID)
	if err != nil {
		if errdefs.IsNotFound(err) {
			return out, nil
		}
		return out, fmt.Errorf("stop %s: %w", c.Name, err)
	}
	out.ExitCode = in.State.ExitCode
	out.Killed = in.State.ExitCode == 137 && c.State != "paused" && out.Took >= c.StopTimeout
	return out, nil
}

// RemoveContainer removes a container, running or not; its volumes stay. One that is not there is no error.
func (e *Engine) RemoveContainer(ctx context.Context, id string) error {
	return e.remove(ctx, id, false)
}

func (e *Engine) remove(ctx context.Context, id string, volumes bool) error {
	err := e.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: volumes})
	if err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	if errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		return e.awaitGone(ctx, id)
	}
	return fmt.Errorf("remove container %s: %w", short(id), err)
}

func (e *Engine) awaitGone(ctx context.Context, id string) error {
	for {
		if _, err := e.api.ContainerInspect(ctx, id); errdefs.IsNotFound(err) {
			return nil
		} else if err != nil {
			return fmt.Errorf("remove container %s: %w", short(id), err)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// sleep waits for d unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
