package git

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func repo(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing")
		}
		t.Skip("git is missing")
	}
	dir := t.TempDir()
	run(t, dir, "init", "-q", "-b", "main")
	write(t, filepath.Join(dir, "a"), "1")
	run(t, dir, "add", "a")
	run(t, dir, "commit", "-q", "-m", "first one")
	return dir
}

func TestReadCleanAndDirty(t *testing.T) {
	dir := repo(t)
	s, err := Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Branch != "main" || len(s.Commit) != 40 || s.Subject != "first one" || s.Author != "Ada" || len(s.Changed)+len(s.Untracked) != 0 || s.Pushed != Unknown {
		t.Fatalf("clean: %+v", s)
	}
	write(t, filepath.Join(dir, "a"), "2")
	write(t, filepath.Join(dir, "name with blank"), "")
	s, err = Read(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Changed, []string{"a"}) || !slices.Equal(s.Untracked, []string{"name with blank"}) {
		t.Fatalf("dirty: %+v", s)
	}
}

func TestReadAgainstARemote(t *testing.T) {
	dir, remote := repo(t), t.TempDir()
	run(t, remote, "init", "-q", "--bare")
	run(t, dir, "remote", "add", "origin", remote)
	if s, err := Read(t.Context(), dir); err != nil || s.Pushed != Absent {
		t.Fatalf("before the push: %+v, %v", s, err)
	}
	run(t, dir, "push", "-q", "origin", "main")
	if s, err := Read(t.Context(), dir); err != nil || s.Pushed != Present || s.Remote != "origin" {
		t.Fatalf("after the push: %+v, %v", s, err)
	}
}

func TestReadOfSomebodyElsesCheckout(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to give a checkout away")
	}
	dir := repo(t)
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 12345, 12345)
	}); err != nil {
		t.Fatal(err)
	}
	if s, err := Read(t.Context(), dir); err != nil || s.Branch != "main" {
		t.Fatalf("dubious ownership: %+v, %v", s, err)
	}
}

func TestReadOutsideARepository(t *testing.T) {
	if _, err := Read(t.Context(), t.TempDir()); !errors.Is(err, ErrNone) {
		t.Fatalf("got %v", err)
	}
}
