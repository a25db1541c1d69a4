package compose

import (
	"context"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

const sharedStack = `
services:
  web: {image: "${IMAGE}", command: [serve], stop_grace_period: 1s, hostname: www, volumes: ["/anonymous"], labels: {dev.promote.test: engine-compose}}
  side: {image: "${IMAGE}", command: [serve, "9"], stop_grace_period: 1s, network_mode: "service:web", labels: {dev.promote.test: engine-compose}}
`

// exposing is an image like another one that says it listens somewhere.
func exposing(t *testing.T, e *Engine, id string) string {
	t.Helper()
	made, err := e.api.ContainerCreate(t.Context(), &container.Config{Image: id, Labels: labelled}, nil, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.RemoveContainer(context.WithoutCancel(t.Context()), made.ID) }()
	img, err := e.api.ContainerCommit(t.Context(), made.ID, container.CommitOptions{Reference: "promote-test/exposing:1", Changes: []string{"EXPOSE 8080"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.Background(), "promote-test/exposing:1") })
	return img.ID
}

func TestWhatSharesANetworkNamespaceIsMadeAgain(t *testing.T) {
	t.Parallel()
	e := open(t)
	m := stack(t, e, sharedStack, map[string]string{"IMAGE": exposing(t, e, images(t, e, 1)[0])})
	p := m.Project()
	mustUp(t, e, m, Deployment{})
	rec, err := e.Record(t.Context(), p, m)
	if err != nil {
		t.Fatal(err)
	}
	before := exact(t, e, m)
	if err := e.ProveRestore(t.Context(), rec, nil); err != nil {
		t.Fatalf("prove: %v", err)
	}
	compareExact(t, "after the proof", before, exact(t, e, m))
	for _, name := range []string{p + "-side-1", p + "-web-1"} {
		if err := e.RemoveContainer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Restore(t.Context(), rec, RestoreOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	compareExact(t, "restored", before, exact(t, e, m))

	broken, err := clone(rec.Containers[0])
	if err != nil {
		t.Fatal(err)
	}
	broken.Host.NetworkMode = "no-such-mode:x"
	broken.ImageID = "sha256:" + strings.Repeat("0", 64)
	rec.Containers[0] = broken
	if err := e.ProveRestore(t.Context(), rec, nil); err == nil || !strings.Contains(err.Error(), "could not be made again") {
		t.Errorf("a container that cannot be made: %v", err)
	}
	if left, err := e.FindByLabel(t.Context(), LabelTry+"="+p); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}
