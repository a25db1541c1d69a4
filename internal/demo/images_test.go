package demo

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/org/promote-action/internal/demo/fault"
)

// all are the sound releases and every broken one.
func all() []Release {
	releases := []Release{{Number: 1}, {Number: 2}, {Number: 3}}
	for _, f := range fault.All() {
		releases = append(releases, Broken(f))
	}
	return releases
}

func TestBuildMakesTheImagesOfEveryRelease(t *testing.T) {
	engine := connect(t)
	if err := Build(t.Context(), engine, t.Logf, all()...); err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, r := range all() {
		for _, service := range Services() {
			info, err := engine.ImageInspect(t.Context(), r.Image(service))
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := ids[info.ID]; ok {
				t.Errorf("%s and %s have the same id", r.Image(service), other)
			}
			ids[info.ID] = r.Image(service)
			labels := info.Config.Labels
			if labels[ocispec.AnnotationRevision] != r.commit() || labels[Label] != "1" {
				t.Errorf("%s: labels %v", r.Image(service), labels)
			}
			carries := strings.Contains(strings.Join(info.Config.Env, " "), "SHOP_FAULT=")
			if want := r.Fault.In(service) || service == "migrate" && r.Fault != ""; carries != want {
				t.Errorf("%s: carries its fault: %v, want %v", r.Image(service), carries, want)
			}
		}
	}
	// What is there is not built again.
	if err := Build(t.Context(), engine, func(format string, _ ...any) { t.Error("built again:", format) }, all()...); err != nil {
		t.Fatal(err)
	}
}

func TestBuildRefusesWhatItDoesNotKnow(t *testing.T) {
	for want, r := range map[string]Release{
		`demo: release 4; there are 1, 2 and 3`:  {Number: 4},
		`demo: unknown fault "flood"; there are`: {Number: 3, Fault: "flood"},
	} {
		if err := Build(t.Context(), nil, t.Logf, r); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestTheSameSourceGivesTheSameImages(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		r, err := imageArchive([]byte("executable"), "amd64", "digest", []Release{{Number: 1}, Broken(fault.Crash)})
		if err != nil {
			t.Fatal(err)
		}
		if archives[i], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of the same release differ")
	}
	n := 0
	for r := tar.NewReader(bytes.NewReader(archives[0])); ; n++ {
		header, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if time.Since(header.ModTime) < time.Hour {
			t.Errorf("%s has the time of its making", header.Name)
		}
	}
	if want := 1 + 2*len(Services()) + 1; n != want {
		t.Errorf("%d files, want %d: one layer, a configuration for every image, a manifest", n, want)
	}
}

func TestRemoveImagesTakesThoseWithTheLabel(t *testing.T) {
	engine := connect(t)
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	stream, err := engine.ImageImport(t.Context(), image.ImportSource{Source: &empty, SourceName: "-"}, "promote-test-demo-remove:1",
		image.ImportOptions{Changes: []string{"LABEL " + testLabel}})
	if err != nil {
		t.Fatal(err)
	}
	if err := messages(stream, func(string) {}); err != nil {
		t.Fatal(err)
	}
	stream.Close()
	if err := removeImages(t.Context(), engine, testLabel); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.ImageInspect(t.Context(), "promote-test-demo-remove:1"); err == nil {
		t.Error("the image is still there")
	}
}
