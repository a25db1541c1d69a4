package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// days makes one backup a day and returns the folder that they are in.
func days(t *testing.T, environment string, n int) string {
	t.Helper()
	parent := t.TempDir()
	for i := range n {
		makeBackup(t, parent, environment, day(i))
	}
	return parent
}

func day(i int) time.Time { return taken.AddDate(0, 0, i) }

func list(t *testing.T, parent string) []Entry {
	t.Helper()
	entries, err := List(parent)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func spoil(t *testing.T, parent, environment string, i int, change func(dir string) error) {
	t.Helper()
	if err := change(filepath.Join(parent, Name(environment, day(i)))); err != nil {
		t.Fatal(err)
	}
}

func cutDump(dir string) error { return os.Truncate(filepath.Join(dir, "databases/main.dump.zst"), 10) }

func growDump(dir string) error {
	path := filepath.Join(dir, "databases/main.dump.zst")
	return os.Truncate(path, int64(len(contents["databases/main.dump.zst"]))+1)
}

func alterDump(dir string) error {
	path := filepath.Join(dir, "databases/main.dump.zst")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[5] ^= 1
	return os.WriteFile(path, data, 0o600)
}

func TestList(t *testing.T) {
	if entries, err := List(filepath.Join(t.TempDir(), "nothing")); err != nil || len(entries) != 0 {
		t.Fatal(entries, err)
	}
	parent := days(t, "staging", 3)
	spoil(t, parent, "staging", 1, cutDump)
	makeBackup(t, parent, "production", day(4))
	if err := os.Rename(filepath.Join(parent, Name("staging", day(0))), filepath.Join(parent, "before the big change")); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{"notes", "staging-backup-20250101-000000", "staging-backup-20250101-000001.partial"} {
		if err := os.Mkdir(filepath.Join(parent, foreign), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, e := range list(t, parent) {
		got = append(got, fmt.Sprintf("%s %v %v", e.Name, e.Manifest != nil, e.Err))
	}
	want := []string{
		"production-backup-20260204-235959 true <nil>",
		"staging-backup-20260202-235959 true <nil>",
		"staging-backup-20260201-235959 true backup is damaged: databases/main.dump.zst: found 10 bytes, expected 126000",
		"before the big change true <nil>",
		"staging-backup-20250101-000000 false " + filepath.Join(parent, "staging-backup-20250101-000000") + ": not a backup of promote: no manifest.json in it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestPrune(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   map[int]func(string) error
		protect []int
		keep    int
		want    []int // days that are left of 0 to 5
	}{
		"keep two":                        {keep: 2, want: []int{4, 5}},
		"keep more than there are":        {keep: 9, want: []int{0, 1, 2, 3, 4, 5}},
		"keep none keeps the newest":      {keep: 0, want: []int{5}},
		"negative":                        {keep: -3, want: []int{5}},
		"protected":                       {keep: 1, protect: []int{0, 2}, want: []int{0, 2, 5}},
		"newest cut":                      {keep: 1, spoil: map[int]func(string) error{5: cutDump}, want: []int{4, 5}},
		"newest altered, sizes right":     {keep: 1, spoil: map[int]func(string) error{5: alterDump}, want: []int{0, 1, 2, 3, 4, 5}},
		"newest altered, the next good":   {keep: 2, spoil: map[int]func(string) error{5: alterDump}, want: []int{4, 5}},
		"an old one damaged":              {keep: 2, spoil: map[int]func(string) error{0: cutDump}, want: []int{4, 5}},
		"without a manifest it is no own": {keep: 1, spoil: map[int]func(string) error{1: func(dir string) error { return os.Remove(filepath.Join(dir, manifestName)) }}, want: []int{1, 5}},
		"all damaged": {keep: 1, spoil: map[int]func(string) error{
			0: cutDump, 1: cutDump, 2: cutDump, 3: cutDump, 4: cutDump, 5: cutDump,
		}, want: []int{0, 1, 2, 3, 4, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			parent := days(t, "staging", 6)
			makeBackup(t, parent, "production", day(-9)) // old, and the newest good one of its environment
			if err := os.Mkdir(filepath.Join(parent, "staging-backup-20200101-000000"), 0o700); err != nil {
				t.Fatal(err)
			}
			for i, change := range c.spoil {
				spoil(t, parent, "staging", i, change)
			}
			removed, err := Prune(t.Context(), list(t, parent), c.keep, func(e Entry) bool {
				return slices.ContainsFunc(c.protect, func(i int) bool { return e.Name == Name("staging", day(i)) })
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{Name("production", day(-9)), "staging-backup-20200101-000000"}
			for _, i := range c.want {
				want = append(want, Name("staging", day(i)))
			}
			if got := names(t, parent); !slices.Equal(got, want) || len(removed) != 6-len(c.want) {
				t.Errorf("removed %d\ngot  %q\nwant %q", len(removed), got, want)
			}
		})
	}
}

func TestPruneLeavesWhatChangedMeanwhile(t *testing.T) {
	parent := days(t, "staging", 2)
	entries := list(t, parent)
	old := filepath.Join(parent, Name("staging", day(0)))
	if err := os.RemoveAll(old); err != nil {
		t.Fatal(err)
	}
	other := makeBackup(t, t.TempDir(), "staging", day(7))
	if err := os.CopyFS(old, os.DirFS(other.Dir)); err != nil {
		t.Fatal(err)
	}
	removed, err := Prune(t.Context(), entries, 1, nil)
	if err == nil || len(removed) != 0 {
		t.Fatalf("%v, %v", removed, err)
	}
	if _, err := Open(old); err != nil {
		t.Fatal(err)
	}
}

func TestNewerAndForeignManifests(t *testing.T) {
	for schema, want := range map[string]error{"promote.backup/2": ErrNewer, "other/1": ErrNotBackup, "": ErrNotBackup} {
		dir := t.TempDir()
		raw := fmt.Appendf(nil, `{"schema":%q,"id":17}`, schema)
		for path, content := range map[string][]byte{manifestName: raw, checksumName: checksumLine(raw)} {
			if err := os.WriteFile(filepath.Join(dir, path), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(dir); !errors.Is(err, want) {
			t.Errorf("%q: %v", schema, err)
		}
	}
}
