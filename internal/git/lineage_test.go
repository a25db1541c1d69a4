package git

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func headOf(t *testing.T, dir string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func commit(t *testing.T, dir, text string) string {
	t.Helper()
	write(t, filepath.Join(dir, "a"), text)
	run(t, dir, "commit", "-q", "-a", "-m", text)
	return headOf(t, dir)
}

func TestBetween(t *testing.T) {
	dir := repo(t)
	first := headOf(t, dir)
	commit(t, dir, "second | with `marks` <b>")
	third := commit(t, dir, "third")
	run(t, dir, "checkout", "-q", "-b", "side", first)
	side := commit(t, dir, "aside")
	for _, c := range []struct {
		name, one, other string
		known            bool
		ahead, behind    int
	}{
		{"same", third, third, true, 0, 0},
		{"ahead", third, first, true, 2, 0},
		{"short", third[:8], first, true, 2, 0},
		{"behind", first, third, true, 0, 2},
		{"diverged", third, side, true, 2, 1},
		{"unknown", third, strings.Repeat("0", 40), false, 0, 0},
		{"no hash", third, "--all", false, 0, 0},
		{"a name", third, "main", false, 0, 0},
	} {
		l, err := Between(t.Context(), dir, c.one, c.other)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if l.Known != c.known || l.Ahead != c.ahead || l.Behind != c.behind || len(l.Log) != c.ahead || l.Known == (l.Why != "") {
			t.Errorf("%s: got %+v", c.name, l)
		}
	}
	l, err := Between(t.Context(), dir, third, first)
	if err != nil || l.Log[0].Subject != "third" || l.Log[1].Subject != "second | with `marks` <b>" || l.Log[0].Author != "Ada" || l.Log[0].At.IsZero() || l.Log[0].Hash != third {
		t.Errorf("got %+v, %v", l.Log, err)
	}
}

func TestBetweenInAShallowClone(t *testing.T) {
	dir := repo(t)
	commit(t, dir, "second")
	run(t, dir, "checkout", "-q", "-b", "side", "HEAD~1")
	commit(t, dir, "aside")
	clone := filepath.Join(t.TempDir(), "clone")
	run(t, dir, "clone", "-q", "--depth=1", "--no-single-branch", "file://"+dir, clone)
	run(t, clone, "checkout", "-q", "main")
	main := headOf(t, clone)
	run(t, clone, "checkout", "-q", "side")
	l, err := Between(t.Context(), clone, main, headOf(t, clone))
	if err != nil || l.Known || !strings.Contains(l.Why, "shallow") {
		t.Errorf("got %+v, %v", l, err)
	}
}
