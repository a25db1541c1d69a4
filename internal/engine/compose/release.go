package compose

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// MixedError is a service whose replicas run different images.
type MixedError struct {
	Service string
	Images  map[string]string // container → image ID
}

func (e *MixedError) Error() string {
	s := fmt.Sprintf("service %s runs different images:", e.Service)
	for _, name := range slices.Sorted(maps.Keys(e.Images)) {
		s += fmt.Sprintf(" %s runs %s", name, short(e.Images[name]))
	}
	return s + ": bring its replicas to one image first (docker compose up)"
}

// ReleaseOf returns the image ID of every service of a running project. Running containers decide; where a service has
// none, such as a one-shot, its stopped ones do. Replicas with different images are a *MixedError.
func (e *Engine) ReleaseOf(ctx context.Context, project string) (map[string]string, error) {
	all, err := e.Containers(ctx, project)
	if err != nil {
		return nil, err
	}
	running := map[string]bool{}
	for _, c := range all {
		running[c.Service] = running[c.Service] || !c.OneOff && active(c.State)
	}
	seen := map[string]map[string]string{}
	out := map[string]string{}
	for _, c := range all {
		if c.OneOff || c.Service == "" || running[c.Service] && !active(c.State) {
			continue
		}
		if seen[c.Service] == nil {
			seen[c.Service] = map[string]string{}
		}
		seen[c.Service][c.Name] = c.ImageID
		if id, ok := out[c.Service]; ok && id != c.ImageID {
			return nil, &MixedError{Service: c.Service, Images: seen[c.Service]}
		}
		out[c.Service] = c.ImageID
	}
	return out, nil
}
