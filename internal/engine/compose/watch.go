package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/engine"
)

// watch looks on while Compose works, until ctx ends (nil) or a service can't become healthy any more. Containers that
// were there before count only once they were started anew: those of the old release may stand still or be ill.
func (e *Engine) watch(ctx context.Context, project string, wants []engine.Want, j *judge, before []engine.Container) error {
	for {
		if err := sleep(ctx, lookEvery); err != nil {
			return nil
		}
		all, err := e.Containers(ctx, project)
		if err != nil {
			continue // the engine is Compose's worry as well, and it will say so
		}
		if err := e.firstDead(ctx, wants, j, fresh(all, before, j)); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (e *Engine) firstDead(ctx context.Context, wants []engine.Want, j *judge, all []engine.Container) error {
	for _, w := range wants {
		w.Image = "" // an old container may still be there; the wait after Up checks identity
		if v, culprit := j.service(w, all, time.Now()); v.dead != "" {
			return e.unhealthy(ctx, w.Service, culprit, v.dead, nil)
		}
	}
	return nil
}

// fresh leaves out the containers that are as they were before, and tells the judge which are new.
func fresh(all, before []engine.Container, j *judge) []engine.Container {
	old := map[string]engine.Container{}
	for _, c := range before {
		old[c.ID] = c
	}
	var out []engine.Container
	for _, c := range all {
		was, existed := old[c.ID]
		if existed && was.StartedAt.Equal(c.StartedAt) {
			continue
		}
		if j.seen[c.ID] == nil && !existed {
			j.seen[c.ID] = &sighting{since: time.Now()} // none of its restarts is from before
		}
		out = append(out, c)
	}
	return out
}

// explain turns a failed Up into the service that is to blame, where one is.
func (e *Engine) explain(ctx context.Context, project string, wants []engine.Want, j *judge, before []engine.Container, upErr error) error {
	lctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	all, err := e.Containers(lctx, project)
	if err == nil {
		if err := e.firstDead(lctx, wants, j, fresh(all, before, j)); err != nil {
			return err
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		for _, w := range wants {
			if v, culprit := j.service(w, all, time.Now()); !v.ready {
				return e.unhealthy(lctx, w.Service, culprit, "not healthy before the deadline: "+v.text, context.DeadlineExceeded)
			}
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("up: %w", context.Cause(ctx))
	}
	return fmt.Errorf("up: %w", upErr)
}
