package actions

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSummaryAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary")
	for _, part := range []string{"# One\n\n\n", "# Two"} {
		if err := AddSummary(path, part); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != "# One\n\n# Two\n" {
		t.Errorf("%q", got)
	}
	if err := AddSummary("", "x"); !errors.Is(err, ErrNoFile) {
		t.Errorf("no file: %v", err)
	}
}

func TestSummaryStaysBelowTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary")
	section := "## Part\n\n" + strings.Repeat("ö words ", 40_000) + "\n\n"
	for range 5 {
		if err := AddSummary(path, section+section); err != nil && !strings.Contains(err.Error(), "full") {
			t.Fatal(err)
		}
	}
	got := read(t, path)
	if len(got) > SummaryLimit || len(got) < SummaryLimit/2 || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid UTF-8 %v", len(got), utf8.ValidString(got))
	}
	if !strings.Contains(got, "did not fit into a summary") {
		t.Error("nothing says that something is missing")
	}
}

func TestCutLeavesNothingOpen(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var b strings.Builder
		for range 30 {
			switch r.IntN(4) {
			case 0:
				fmt.Fprintf(&b, "## Heading\n\n")
			case 1:
				fmt.Fprintf(&b, "text %s\n\n", strings.Repeat("x", r.IntN(60)))
			case 2:
				fmt.Fprintf(&b, "````text\n```\n# not a heading\n<details>\n````\n\n")
			case 3:
				fmt.Fprintf(&b, "<details><summary>more</summary>\n\n## inside\n\n```\n</details>\n```\n\n</details>\n\n")
			}
		}
		limit := 200 + r.IntN(b.Len())
		got := cutAtSection(b.String(), limit)
		if len(got) > limit {
			t.Fatalf("%d bytes of %d", len(got), limit)
		}
		fence, folds := "", 0
		for line := range strings.Lines(got) {
			bare := strings.TrimSpace(line)
			mark := fenceMark(bare)
			switch {
			case fence == "" && mark != "":
				fence = mark
			case fence != "" && bare == fence:
				fence = ""
			case fence == "":
				folds += strings.Count(bare, "<details>") - strings.Count(bare, "</details>")
			}
		}
		if fence != "" || folds != 0 {
			t.Fatalf("open fence %q, %d folds open, cut at %d of\n%s", fence, folds, limit, b.String())
		}
	}
}

func TestFence(t *testing.T) {
	for _, s := range []string{"", "plain", "```\n# out", "`````"} {
		lines := strings.Split(strings.TrimSuffix(Fence(s), "\n"), "\n")
		mark := lines[len(lines)-1]
		if lines[0] != mark+"text" || strings.Contains(s, mark) || len(mark) < 3 {
			t.Errorf("%q in %q", s, Fence(s))
		}
	}
}
