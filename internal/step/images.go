package step

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// ErrDriver is returned by steps that only the driver can do.
var ErrDriver = errors.New("this step is done by the driver")

// HoldImages names the images that run now, so that no prune removes what a rollback needs.
type HoldImages struct {
	Tags map[string]string `json:"tags"` // tag to image id
}

// Describe implements Step.
func (s *HoldImages) Describe() string {
	return fmt.Sprintf("hold the %d images that run now under promote's own tags", len(s.Tags))
}

// Do implements Step.
func (s *HoldImages) Do(ctx context.Context, t *Target) error {
	for _, tag := range slices.Sorted(maps.Keys(s.Tags)) {
		if err := t.Images.Tag(ctx, s.Tags[tag], tag); err != nil {
			return fmt.Errorf("hold image %s: %w", short(s.Tags[tag]), err)
		}
	}
	return nil
}

// Undo implements Step. The tags stay while the restore point does; they go with it.
func (s *HoldImages) Undo(context.Context, *Target) error { return nil }

// Release removes the tags, once the restore point is gone.
func (s *HoldImages) Release(ctx context.Context, images Images) error {
	var errs []error
	for tag := range s.Tags {
		errs = append(errs, images.Untag(ctx, tag))
	}
	return errors.Join(errs...)
}

// MoveImages brings the release's images to the target's engine before anything is touched.
type MoveImages struct {
	Images []Image `json:"images"` // those that the target lacks
}

// Image is one image of a release.
type Image struct {
	Service    string `json:"service"`
	Ref        string `json:"ref"`
	ID         string `json:"id"`
	RepoDigest string `json:"repo_digest,omitempty"`
	Size       int64  `json:"size"`
}

// Describe implements Step.
func (s *MoveImages) Describe() string {
	if len(s.Images) == 0 {
		return "images: all of the release are on the target's engine"
	}
	var size int64
	names := make([]string, 0, len(s.Images))
	for _, i := range s.Images {
		size += i.Size
		names = append(names, i.Service)
	}
	return fmt.Sprintf("bring %d images to the target's engine, at most %s (%s)", len(s.Images), Bytes(size), list(names))
}

// Do implements Step.
func (s *MoveImages) Do(context.Context, *Target) error { return ErrDriver }

// Undo implements Step.
func (s *MoveImages) Undo(context.Context, *Target) error { return nil }
