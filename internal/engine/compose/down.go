package compose

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/compose/v5/pkg/api"

	"github.com/org/promote-action/internal/engine"
)

// Down removes the project's containers and networks, and with volumes its named and anonymous volumes too.
func (e *Engine) Down(ctx context.Context, project string, volumes bool, onEvent func(engine.Event)) error {
	defer warned.listen(func(string) {})()
	svc, err := e.sdk(&sink{onEvent: serial(onEvent), service: func(string) string { return "" }, last: map[string]string{}})
	if err != nil {
		return err
	}
	if err := svc.Down(ctx, project, api.DownOptions{RemoveOrphans: true, Volumes: volumes}); err != nil {
		return fmt.Errorf("down %s: %w", project, err)
	}
	return ctx.Err()
}

// serial makes a callback that may be nil safe to call from several goroutines: its calls never overlap.
func serial(f func(engine.Event)) func(engine.Event) {
	var mu sync.Mutex
	return func(ev engine.Event) {
		if f == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		f(ev)
	}
}
