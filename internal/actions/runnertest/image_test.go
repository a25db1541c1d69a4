package runnertest_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/process"
)

const (
	localBase = "promote-demo/debian:bookworm" // made by the sample system where no registry is reached
	imageName = "promote-test-action:latest"
)

// actionImage builds the action's image from its own Dockerfile. Only the build stage is another: it takes the program that
// was compiled here, since a toolchain image may be out of reach.
func actionImage(t *testing.T, engine *client.Client) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "promote")
	_, err := process.Output(t.Context(), process.Command{
		Path: "go", Args: []string{"build", "-o", binary, "./cmd/promote"}, Dir: root(t), Env: []string{"CGO_ENABLED=0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, err := os.ReadFile(filepath.Join(root(t), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.SplitAfter(string(dockerfile), "\nFROM ")
	if len(stages) != 3 || !strings.HasPrefix(stages[1], "${GO_IMAGE} AS build\n") {
		t.Fatalf("the Dockerfile has other stages now:\n%s", dockerfile)
	}
	stages[1] = "scratch AS build\nCOPY promote /promote\n\nFROM "

	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for name, data := range map[string][]byte{"Dockerfile": []byte(strings.Join(stages, "")), "promote": program} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	args := map[string]*string{}
	if _, err := engine.ImageInspect(t.Context(), localBase); err == nil {
		base := localBase
		args["BASE_IMAGE"] = &base
	}
	version := "test"
	args["VERSION"] = &version
	answer, err := engine.ImageBuild(t.Context(), &files, build.ImageBuildOptions{
		Tags: []string{imageName}, BuildArgs: args, Remove: true, ForceRemove: true, Labels: map[string]string{label: mine},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := built(answer.Body); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // without its parents, which are the builder's cache
		_, _ = engine.ImageRemove(context.WithoutCancel(t.Context()), imageName, image.RemoveOptions{Force: true})
	})
	return imageName
}

// built reads the builder's answer to its end.
func built(r io.Reader) error {
	var last []string
	for d := json.NewDecoder(r); ; {
		var m struct{ Stream, Error string }
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m.Error != "" {
			return errors.New(strings.Join(append(last, m.Error), ""))
		}
		if last = append(last, m.Stream); len(last) > 20 {
			last = last[1:]
		}
	}
}
