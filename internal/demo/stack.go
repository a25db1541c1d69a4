package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
)

// startTime is how long an environment may take until all of it is healthy.
const startTime = 3 * time.Minute

// Stack is a Composer that needs no Compose on the machine: the library runs in this process.
type Stack struct {
	Engine *compose.Engine
	Event  func(engine.Event) // nil: nobody listens
}

// Up implements Composer.
func (s Stack) Up(ctx context.Context, project, dir string, files, envFiles []string) error {
	model, err := compose.Load(ctx, compose.Source{Project: project, Directory: dir, Files: files, EnvFiles: envFiles})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTime, fmt.Errorf("not healthy after %s", startTime))
	defer cancel()
	return s.Engine.Up(ctx, model, compose.Deployment{}, s.Event)
}

// Down implements Composer: containers, networks and volumes go.
func (s Stack) Down(ctx context.Context, project string) error {
	return s.Engine.Down(ctx, project, true, s.Event)
}
