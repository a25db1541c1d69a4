package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/promotion"
)

// LogOptions are what `promote logs` was asked for.
type LogOptions struct {
	Services []string  // empty: all
	Tail     int       // last lines of each container; 0: all
	Since    time.Time // zero: from the beginning
	Follow   bool      // until ctx ends
}

// Logs writes the lines of an environment's containers to w, each behind its container's name.
func (d *Driver) Logs(ctx context.Context, name string, o LogOptions, w io.Writer) error {
	env, err := d.Open(ctx, name)
	if err != nil {
		return err
	}
	all, err := env.Engine.Containers(ctx, env.Compose.Project)
	if err != nil {
		return refused(err)
	}
	all = slices.DeleteFunc(all, func(c engine.Container) bool { return c.OneOff })
	if len(all) == 0 {
		return &Error{
			Outcome: promotion.Refused, Message: fmt.Sprintf("environment %s is not running: the engine has no container of the Compose project %s", name, env.Compose.Project),
			Advice: "start it, or correct compose.project in the configuration (docker compose ls --all)",
		}
	}
	if all, err = chosen(all, o.Services); err != nil {
		return err
	}
	if !o.Follow || o.Tail > 0 {
		now := d.now() // before the last lines are read: a line twice is better than a line lost
		if !env.Info.Time.IsZero() {
			now = env.Info.Time.Add(d.now().Sub(env.asked)) // by the engine's clock
		}
		for _, c := range all {
			if err := d.lines(ctx, env, c, o, w); err != nil {
				return err
			}
		}
		o.Since = now
	}
	if !o.Follow || ctx.Err() != nil {
		return nil
	}
	ids := make([]string, len(all))
	for i, c := range all {
		ids[i] = c.ID
	}
	return env.Engine.FollowLogs(ctx, ids, o.Since, w)
}

func (d *Driver) lines(ctx context.Context, env *Environment, c engine.Container, o LogOptions, w io.Writer) error {
	lines, err := env.Engine.Logs(ctx, c.ID, o.Tail, o.Since)
	if err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // to be cancelled is how reading ends
		}
		return refused(err)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintf(w, "%s | %s\n", c.Name, line); err != nil {
			return err
		}
	}
	return nil
}

// chosen are the containers of the services; a name that none has is an error that says which there are.
func chosen(all []engine.Container, services []string) ([]engine.Container, error) {
	if len(services) == 0 {
		return all, nil
	}
	var known []string
	for _, c := range all {
		if !slices.Contains(known, c.Service) {
			known = append(known, c.Service)
		}
	}
	slices.Sort(known)
	var errs []error
	for _, name := range services {
		if !slices.Contains(known, name) {
			errs = append(errs, &config.UnknownNameError{Kind: "service", Name: name, Known: known})
		}
	}
	return slices.DeleteFunc(all, func(c engine.Container) bool { return !slices.Contains(services, c.Service) }), errors.Join(errs...)
}
