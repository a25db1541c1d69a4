package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/volume"

	"github.com/org/promote-action/internal/engine"
)

// Volumes lists the project's own volumes; external and anonymous ones are not among them.
func (e *Engine) Volumes(ctx context.Context, project string) ([]engine.Volume, error) {
	list, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: ofProject(project)})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	out := make([]engine.Volume, 0, len(list.Volumes))
	for _, v := range list.Volumes {
		out = append(out, describeVolume(*v))
	}
	slices.SortFunc(out, func(a, b engine.Volume) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Volume describes one volume; ErrNotFound when there is none.
func (e *Engine) Volume(ctx context.Context, name string) (engine.Volume, error) {
	v, err := e.api.VolumeInspect(ctx, name)
	if err != nil {
		return engine.Volume{}, notFound(fmt.Errorf("volume %s: %w", name, err))
	}
	return describeVolume(v), nil
}

func describeVolume(v volume.Volume) engine.Volume {
	return engine.Volume{Name: v.Name, Key: v.Labels[api.VolumeLabel], Driver: v.Driver, Labels: v.Labels, Mountpoint: v.Mountpoint, Options: v.Options}
}

// EnsureVolume creates a volume unless there is one of that name.
func (e *Engine) EnsureVolume(ctx context.Context, name string, labels map[string]string) error {
	if _, err := e.api.VolumeCreate(ctx, volume.CreateOptions{Name: name, Labels: labels}); err != nil {
		return fmt.Errorf("create volume %s: %w", name, err)
	}
	return nil
}

// RemoveVolume deletes a volume and its data; one that is not there is no error.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	if err := e.api.VolumeRemove(ctx, name, false); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}
