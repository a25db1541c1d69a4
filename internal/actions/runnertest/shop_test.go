package runnertest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
)

// What these tests make is found again by this label and by these projects' names.
const (
	label  = "dev.promote.test"
	mine   = "action"
	prefix = "promote-test-action-"
)

// missing skips a test whose tool is not there, but never in CI.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func docker(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Ping(t.Context()); err != nil {
		missing(t, "no Docker engine: %v", err)
	}
	return c
}

// shop is the sample system: development at release 2, staging at release 1.
type shop struct {
	demo.Shop
	engine *client.Client
}

func newShop(t *testing.T, engine *client.Client) shop {
	t.Helper()
	sweep(t, engine)
	ctx := t.Context()
	name := prefix + strings.ToLower(rand.Text()[:8])
	t.Cleanup(func() { remove(t, engine, name) })
	log := demo.Log(func(format string, args ...any) { t.Logf(format, args...) })
	postgres, err := demo.EnsurePostgres(ctx, engine, 15, log)
	if err != nil {
		missing(t, "%v", err)
	}
	if err := demo.Build(ctx, engine, log, demo.Release{Number: 1}, demo.Release{Number: 2}, demo.Broken(fault.AppFailsAfterMigration)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := demo.Write(dir, demo.Options{Development: name + "-dev", Staging: name + "-staging", Postgres: postgres})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 2)
	for e, release := range map[*demo.Environment]int{&s.Development: 2, &s.Staging: 1} {
		go func() { failed <- e.Up(ctx, composer{engine}, demo.Release{Number: release}, log) }()
	}
	if err := errors.Join(<-failed, <-failed); err != nil {
		t.Fatal(err)
	}
	if err := s.Staging.Seed(ctx, engine, 1<<20, log); err != nil {
		t.Fatal(err)
	}
	return shop{s, engine}
}

// composer runs Compose projects by the library that the product uses.
type composer struct{ engine *client.Client }

func (composer) Up(ctx context.Context, project, dir string, files, envFiles []string) error {
	e, err := compose.Open(ctx, engine.Endpoint{})
	if err != nil {
		return err
	}
	defer e.Close()
	m, err := compose.Load(ctx, compose.Source{Project: project, Directory: dir, Files: files, EnvFiles: envFiles})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	return e.Up(ctx, m, compose.Deployment{}, nil)
}

func (c composer) Down(ctx context.Context, project string) error {
	return demo.Remove(ctx, c.engine, project)
}

// images are the images that staging's services run.
func (s shop) images(t *testing.T) map[string]string {
	t.Helper()
	list, err := s.engine.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "com.docker.compose.project="+s.Staging.Project))})
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]string{}
	for _, c := range list {
		if c.Labels["com.docker.compose.oneoff"] != "True" {
			images[c.Labels["com.docker.compose.service"]] = c.ImageID
		}
	}
	return images
}

// runs fails the test unless every service of staging runs the image of the release.
func (s shop) runs(t *testing.T, release int) {
	t.Helper()
	want := map[string]string{}
	for _, service := range []string{"api", "orders", "web", "worker"} {
		i, err := s.engine.ImageInspect(t.Context(), demo.Release{Number: release}.Image(service))
		if err != nil {
			t.Fatal(err)
		}
		want[service] = i.ID
	}
	got := s.images(t)
	delete(got, "db")
	if !maps.Equal(got, want) {
		t.Errorf("staging runs %v, want release %d: %v", got, release, want)
	}
}

// unlocked fails the test when an agent is left at staging.
func (s shop) unlocked(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		list, err := s.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "dev.promote.project="+s.Staging.Project))})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left behind: %v (%s)", list[0].Names, list[0].Status)
			return
		}
	}
}

// sweep removes what killed predecessors left.
func sweep(t *testing.T, engine *client.Client) {
	t.Helper()
	old := map[string]bool{}
	list, err := engine.ContainerList(t.Context(), container.ListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if time.Since(time.Unix(c.Created, 0)) < time.Hour {
			continue
		}
		project, ok := strings.CutPrefix(c.Labels["com.docker.compose.project"], prefix)
		if name, _, _ := strings.Cut(project, "-"); ok {
			old[prefix+name] = true
		}
		if c.Labels[label] == mine {
			_ = engine.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{Force: true})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		t.Logf("removing %s of a killed predecessor", name)
		remove(t, engine, name)
	}
}

// remove removes both environments with their agents, state and held images.
func remove(t *testing.T, engine *client.Client, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for _, project := range []string{name + "-dev", name + "-staging"} {
		by := filters.NewArgs(filters.Arg("label", "dev.promote.project="+project))
		agents, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
		if err != nil {
			t.Error(err)
		}
		for _, c := range agents {
			_ = engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		}
		if err := demo.Remove(ctx, engine, project); err != nil {
			t.Error(err)
		}
		for _, args := range []filters.Args{by, filters.NewArgs(filters.Arg("name", "promote-state-"+project))} {
			volumes, err := engine.VolumeList(ctx, volume.ListOptions{Filters: args})
			if err != nil {
				t.Error(err)
			}
			for _, v := range volumes.Volumes {
				_ = engine.VolumeRemove(ctx, v.Name, true)
			}
		}
		held, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", fmt.Sprintf("promote.local/%s/*", project)))})
		if err != nil {
			t.Error(err)
		}
		for _, i := range held {
			for _, tag := range i.RepoTags {
				if strings.HasPrefix(tag, "promote.local/"+project+"/") {
					_, _ = engine.ImageRemove(ctx, tag, image.RemoveOptions{})
				}
			}
		}
	}
}

// root is the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
