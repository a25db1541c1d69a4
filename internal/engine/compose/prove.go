package compose

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// LabelTry marks the throwaway containers of ProveRestore; its value is the project.
const LabelTry = "dev.promote.try"

// ProveRestore proves that the engine would make the recorded containers of the services again: it makes each under
// another name, without starting it, and removes it. What a killed predecessor left is removed too.
func (e *Engine) ProveRestore(ctx context.Context, rec Record, services []string) error {
	if err := e.removeTries(ctx, rec.Project); err != nil {
		return err
	}
	r := &restoration{e: e, rec: rec, opts: RestoreOptions{Services: services}, tell: serial(nil), here: map[string]string{}}
	for _, rc := range rec.Containers {
		r.here[rc.Name] = rc.ID
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, rc := range rec.Containers {
		if !r.inScope(rc.Service) {
			continue
		}
		g.Go(func() error {
			try, err := clone(rc)
			if err != nil {
				return err
			}
			try.Name, try.Files, try.Config.Image = "promote-try-"+short(rc.ID), nil, rc.ImageID
			try.Config.Labels = map[string]string{LabelTry: rec.Project}
			id, err := r.createOne(gctx, try)
			if err != nil {
				return fmt.Errorf("%s could not be made again: %w", rc.Name, err)
			}
			return e.remove(context.WithoutCancel(gctx), id, false)
		})
	}
	return errors.Join(g.Wait(), e.removeTries(context.WithoutCancel(ctx), rec.Project))
}

func (e *Engine) removeTries(ctx context.Context, project string) error {
	left, err := e.FindByLabel(ctx, LabelTry+"="+project)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range left {
		errs = append(errs, e.remove(ctx, c.ID, false))
	}
	return errors.Join(errs...)
}
