package actions

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/actions/runnertest"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestSetIsReadBackByTheRunner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "output")
	want := []runnertest.Pair{
		{Name: "outcome", Value: "done"},
		{Name: "promotion-id", Value: ""},
		{Name: "phase", Value: "one\ntwo\n"},
		{Name: "hostile", Value: "_GitHubActionsFileCommandDelimeter_\noutcome=done\noutcome<<x\ndone\nx"},
		{Name: "carriage", Value: "a\r\nb\r"},
	}
	for _, p := range want {
		if err := Set(path, p.Name, p.Value); err != nil {
			t.Fatal(err)
		}
	}
	got, err := runnertest.ReadPairs(read(t, path))
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %q, %v\nwant %q", got, err, want)
	}
}

func TestSetRefuses(t *testing.T) {
	for _, name := range []string{"", "a=b", "a<<b", "a\nb", "a b"} {
		path := filepath.Join(t.TempDir(), "output")
		if err := Set(path, name, "v"); err == nil {
			t.Errorf("name %q was taken", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("name %q left a file", name)
		}
	}
	if err := Set("", "a", "b"); !errors.Is(err, ErrNoFile) {
		t.Errorf("no file: %v", err)
	}
	if err := Set(filepath.Join(t.TempDir(), "no", "folder"), "a", "b"); err == nil || errors.Is(err, ErrNoFile) {
		t.Errorf("no folder: %v", err)
	}
}

func FuzzSet(f *testing.F) {
	for _, seed := range []string{"", "a", "a\n", "\n", "a=b\nc<<d", "ghadelimiter_\n", "\r\n", "\xff"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		path := filepath.Join(t.TempDir(), "output")
		for _, v := range []string{first, second} {
			if err := Set(path, "value", v); err != nil {
				t.Fatal(err)
			}
		}
		got, err := runnertest.ReadPairs(read(t, path))
		want := []runnertest.Pair{{Name: "value", Value: strings.ToValidUTF8(first, "\uFFFD")}, {Name: "value", Value: strings.ToValidUTF8(second, "\uFFFD")}}
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %q, %v\nwant %q", got, err, want)
		}
	})
}
