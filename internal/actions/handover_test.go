package actions

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestHandOver(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	theirs, outside := filepath.Join(dir, "theirs"), filepath.Join(t.TempDir(), "outside")
	for _, d := range []string{theirs, filepath.Join(theirs, "logs", "deep")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{outside, filepath.Join(theirs, "logs", "deep", "a.log")} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(theirs, "logs", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(theirs, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(theirs, "logs"), filepath.Join(theirs, "nothing"), "/no/such/folder"} {
		if err := HandOver(path); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]uint32{
		filepath.Join(theirs, "logs"): 1234, filepath.Join(theirs, "logs", "deep", "a.log"): 1234, filepath.Join(theirs, "logs", "link"): 1234, outside: 0, dir: 0,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s belongs to %d, want %d", path, got, want)
		}
	}
}
