package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
)

// Another version of promote brings its agent's image, and takes those along that no container uses.
func TestOldAgentImages(t *testing.T) {
	p := pairOn(t, "")
	labels := map[string]string{agent.LabelRole: "image", agent.LabelVersion: "old"}
	const old = "promote-agent:0123456789abcdef"
	before := func() {
		t.Helper()
		ref, err := p.engine.LoadExecutable(t.Context(), p.exe, "promote-agent", labels)
		if err != nil {
			t.Fatal(err)
		}
		image, err := p.engine.Image(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.engine.TagImage(t.Context(), image.ID, old); err != nil {
			t.Fatal(err)
		}
		if err := p.engine.RemoveImage(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.engine.RemoveImage(context.Background(), old) })
	}
	load := func(wanted bool) string {
		t.Helper()
		ref, err := agent.Load(t.Context(), p.engine, p.exe, "new")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.engine.HasImage(t.Context(), old); err != nil || got != wanted {
			t.Errorf("the old image is there: %t, %v; want %t", got, err, wanted)
		}
		return ref
	}
	before()
	ref := load(false)
	if err := p.engine.RemoveImage(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	labels[agent.LabelVersion] = "older"
	before()
	id, err := p.engine.CreateAgent(t.Context(), compose.AgentSpec{Name: p.staging + "-uses", Image: old, Labels: map[string]string{agent.LabelProject: p.staging}})
	if err != nil {
		t.Fatal(err)
	}
	load(true) // a container is made of it
	if err := p.engine.RemoveContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// The images of a release that were brought to another engine go when it fails there, and stay when it does not.
func TestMovedImages(t *testing.T) {
	whole(t)
	m := newMachine(t)
	p := pairOn(t, "")
	p.upOne(t, p.dev, "dev.env")
	other := *p
	var err error
	if other.engine, err = compose.Open(t.Context(), engine.Endpoint{Host: m.host()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.engine.Close() })
	if _, err := other.engine.LoadExecutable(t.Context(), p.exe, firstName, map[string]string{testLabel: testName, "name": firstName}); err != nil {
		t.Fatal(err)
	}
	other.upOne(t, p.staging, "staging.env")
	next, err := p.engine.Image(t.Context(), p.next)
	if err != nil {
		t.Fatal(err)
	}
	config := func(works string) {
		p.write(t, ".github/promote.yml", fmt.Sprintf(`version: 1
environments:
  development: {compose: {project: %s, files: [compose.yml], env_files: [dev.env]}}
  staging: {host: %q, compose: {project: %s, files: [compose.yml], env_files: [staging.env]}}
policy: {settle: 1s}
checks:
  - {name: works, command: [%q], environment: staging, on: [verify]}
`, p.dev, m.host(), p.staging, works))
	}
	config("false")
	p.run(t, 4, nil, "run")
	if _, err := other.engine.Image(t.Context(), next.ID); !errors.Is(err, compose.ErrNotFound) {
		t.Errorf("the image of the release that failed is still there: %v", err)
	}
	config("true")
	p.run(t, 0, nil, "run", "--release-hold")
	if _, err := other.engine.Image(t.Context(), next.ID); err != nil {
		t.Error(err)
	}
}
