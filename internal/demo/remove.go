package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// Remove removes everything of a Compose project from the engine: containers, networks and volumes with their data. It
// goes by Compose's labels, needs no Compose files, and goes on after a failure; all errors are joined.
func Remove(ctx context.Context, engine client.APIClient, project string) error {
	mine := filters.NewArgs(filters.Arg("label", projectLabel+"="+project))
	var errs []error
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	errs = append(errs, err)
	for _, c := range containers {
		errs = append(errs, ignoreMissing(engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})))
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: mine})
	errs = append(errs, err)
	for _, n := range networks {
		errs = append(errs, ignoreMissing(engine.NetworkRemove(ctx, n.ID)))
	}
	volumes, err := engine.VolumeList(ctx, volume.ListOptions{Filters: mine})
	errs = append(errs, err)
	for _, v := range volumes.Volumes {
		errs = append(errs, ignoreMissing(engine.VolumeRemove(ctx, v.Name, true)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("demo: remove project %s: %w", project, err)
	}
	return nil
}

// Labels and names of what promote makes for a project, in words of its own: a demo knows it only by them.
const (
	promotedLabel = "dev.promote.project"
	agentPrefix   = "promote-"
	statePrefix   = "promote-state-"
	heldImages    = "promote.local/"
)

// RemovePromoted removes a Compose project like Remove, and all that promotions to or from it made: agents, tools, the state
// volume with its restore points, and the names that hold its images. An agent at work is killed first; what it was just
// about to make goes in a second round.
func RemovePromoted(ctx context.Context, engine client.APIClient, project string) error {
	var err error
	for range 4 {
		var left int
		if left, err = removeAgents(ctx, engine, project); err != nil {
			continue
		}
		if err = Remove(ctx, engine, project); err != nil {
			continue
		}
		err = ignoreMissing(engine.VolumeRemove(ctx, statePrefix+project, true))
		if err == nil && left == 0 {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("demo: remove what promotions of %s made: %w", project, err)
	}
	return removeHeld(ctx, engine, project)
}

// removeAgents removes the containers of promotions and says how many there were.
func removeAgents(ctx context.Context, engine client.APIClient, project string) (int, error) {
	var errs []error
	remove := func(id string) {
		err := engine.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if !errdefs.IsConflict(err) { // it goes already
			errs = append(errs, ignoreMissing(err))
		}
	}
	remove(agentPrefix + project)
	found := 0
	for _, label := range []string{promotedLabel, seedLabel} {
		list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label+"="+project))})
		errs = append(errs, err)
		found += len(list)
		for _, c := range list {
			remove(c.ID)
		}
	}
	return found, errors.Join(errs...)
}

// removeHeld takes away the names by which promotions keep the images of a project.
func removeHeld(ctx context.Context, engine client.APIClient, project string) error {
	list, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", heldImages+project+"/*"))})
	errs := []error{err}
	for _, summary := range list {
		for _, ref := range summary.RepoTags {
			if strings.HasPrefix(ref, heldImages+project+"/") {
				_, err := engine.ImageRemove(ctx, ref, image.RemoveOptions{})
				errs = append(errs, ignoreMissing(err))
			}
		}
	}
	return errors.Join(errs...)
}

// RemoveImages removes the images of all releases, those in use excepted. The base image of PostgreSQL stays.
func RemoveImages(ctx context.Context, engine client.APIClient) error {
	return removeImages(ctx, engine, Label+"=1")
}

func removeImages(ctx context.Context, engine client.APIClient, label string) error {
	list, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", label))})
	if err != nil {
		return fmt.Errorf("demo: remove images: %w", err)
	}
	var errs []error
	for _, summary := range list {
		for _, ref := range append(summary.RepoTags, summary.ID) {
			_, err := engine.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
			if !errdefs.IsConflict(err) { // a container still uses it
				errs = append(errs, ignoreMissing(err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("demo: remove images: %w", err)
	}
	return nil
}

// ignoreMissing drops the error of removing what is gone already.
func ignoreMissing(err error) error {
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
