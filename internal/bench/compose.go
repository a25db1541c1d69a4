package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
)

// composeCommand is `docker compose --project-name P --project-directory D --env-file E -f FILE... up --detach --wait` for
// machines without that command: Compose's own library does the work.
func composeCommand(ctx context.Context, args []string) error {
	var source compose.Source
	var env string
	f := flag.NewFlagSet("compose", flag.ContinueOnError)
	f.StringVar(&source.Project, "project-name", "", "")
	f.StringVar(&source.Directory, "project-directory", "", "")
	f.StringVar(&env, "env-file", "", "")
	f.Func("f", "", func(file string) error {
		source.Files = append(source.Files, file)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return err
	}
	if strings.Join(f.Args(), " ") != "up --detach --wait" {
		return fmt.Errorf("compose %s: only up --detach --wait is known", strings.Join(f.Args(), " "))
	}
	for i, file := range source.Files {
		source.Files[i] = filepath.Join(source.Directory, file)
	}
	source.EnvFiles = []string{filepath.Join(source.Directory, env)}
	e, err := compose.Open(ctx, engine.Endpoint{})
	if err != nil {
		return err
	}
	defer e.Close()
	model, err := compose.Load(ctx, source)
	if err != nil {
		return err
	}
	return e.Up(ctx, model, compose.Deployment{}, nil)
}
