package compose

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/go-connections/nat"

	"github.com/org/promote-action/internal/engine"
)

// Image describes the image that ref (an ID or a tag) names; ErrNotFound when the engine does not have it.
func (e *Engine) Image(ctx context.Context, ref string) (engine.Image, error) {
	in, err := e.api.ImageInspect(ctx, ref)
	if err != nil {
		return engine.Image{}, notFound(fmt.Errorf("image %s: %w", ref, err))
	}
	out := engine.Image{
		ID: in.ID, Tags: in.RepoTags, RepoDigests: in.RepoDigests, Size: in.Size, Layers: in.RootFS.Layers,
		OS: in.Os, Arch: in.Architecture, Created: parseTime(in.Created), Env: map[string]string{},
	}
	if in.Config != nil {
		out.Labels = in.Config.Labels
		out.Env = environment(in.Config.Env)
		out.HasHealthcheck = in.Config.Healthcheck != nil && len(in.Config.Healthcheck.Test) > 0 && in.Config.Healthcheck.Test[0] != "NONE"
		for p := range in.Config.ExposedPorts {
			port := nat.Port(p)
			out.Exposed = append(out.Exposed, engine.Port{Port: port.Int(), Protocol: port.Proto()})
		}
		sortPorts(out.Exposed)
	}
	return out, nil
}

// Images lists the images that have a tag or serve a container, without layers, ports and environment.
func (e *Engine) Images(ctx context.Context) ([]engine.Image, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	out := make([]engine.Image, 0, len(list))
	for _, s := range list {
		out = append(out, engine.Image{
			ID: s.ID, Tags: slices.DeleteFunc(s.RepoTags, none), RepoDigests: slices.DeleteFunc(s.RepoDigests, none),
			Labels: s.Labels, Created: unixTime(s.Created), Size: s.Size,
		})
	}
	return out, nil
}

func none(ref string) bool { return ref == "<none>:<none>" || ref == "<none>@<none>" }

// HasImage reports whether the engine holds ref.
func (e *Engine) HasImage(ctx context.Context, ref string) (bool, error) {
	_, err := e.api.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("image %s: %w", ref, err)
	}
	return true, nil
}

// TagImage gives the image id the name ref, taking it from any other image.
func (e *Engine) TagImage(ctx context.Context, id, ref string) error {
	if err := e.api.ImageTag(ctx, id, ref); err != nil {
		return notFound(fmt.Errorf("tag %s as %s: %w", short(id), ref, err))
	}
	return nil
}

// RemoveImage takes the name ref away, and the image with it when that was its last name and no container uses it.
// One that is not there is no error.
func (e *Engine) RemoveImage(ctx context.Context, ref string) error {
	_, err := e.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove image %s: %w", ref, err)
	}
	return nil
}

// RemoveUnusedImage deletes an image unless a container uses it. One that is used, or not there, is no error.
func (e *Engine) RemoveUnusedImage(ctx context.Context, ref string) error {
	_, err := e.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
		return fmt.Errorf("remove image %s: %w", ref, err)
	}
	return nil
}
