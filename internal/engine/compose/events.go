package compose

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/events"

	"github.com/org/promote-action/internal/engine"
)

// Events sends what happens to the project's containers from now on. The channel closes when ctx ends or the engine
// closes the stream.
func (e *Engine) Events(ctx context.Context, project string) (<-chan engine.Event, error) {
	if err := e.Ping(ctx); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	args := ofProject(project)
	args.Add("type", string(events.ContainerEventType))
	msgs, errs := e.api.Events(ctx, events.ListOptions{Filters: args})
	out := make(chan engine.Event, 64)
	go func() {
		defer close(out)
		for {
			select {
			case m := <-msgs:
				select {
				case out <- containerEvent(m):
				case <-ctx.Done():
					return
				}
			case err := <-errs:
				_ = err // the end of ctx, or why the stream broke: there is no more either way
				return
			}
		}
	}()
	return out, nil
}

func containerEvent(m events.Message) engine.Event {
	attr := m.Actor.Attributes
	return engine.Event{
		Time: time.Unix(0, m.TimeNano), Kind: "container", Action: string(m.Action), ID: m.Actor.ID,
		Service: attr[api.ServiceLabel], Container: attr["name"], ExitCode: number(attr["exitCode"]),
	}
}

func unixTime(sec int64) time.Time {
	if sec <= 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}
