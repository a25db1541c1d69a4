package corpus

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/compare"
)

const page = "../../../.github/docs/score.md"

// table is the error rates as Markdown.
func (c *campaign) table() string {
	var b strings.Builder
	b.WriteString("| area | differences | missed | that delete data | missed | comparisons without a difference | false alarms |\n|---|---:|---:|---:|---:|---:|---:|\n")
	row := func(name string, r rate) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d |\n", name, r.cases, r.missed, r.deleting, r.lost, r.quiet, r.alarms)
	}
	for _, area := range compare.Areas() {
		row(string(area), *c.rates[area])
	}
	row("all", c.sum())
	return b.String()
}

var rowOf = regexp.MustCompile(`(?m)^\| (\w+) \| (\d+) \|`)

// TestTable holds the published table against the corpus: every case is in it. What became of them takes verdict.sh --check.
func TestTable(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, table, begun := strings.Cut(string(text), "<!-- verdict.sh begin -->\n")
	table, _, ended := strings.Cut(table, "<!-- verdict.sh end -->")
	if !begun || !ended {
		t.Fatalf("%s has no table of verdict.sh: .github/bench/verdict.sh writes one", page)
	}
	published := map[string]string{}
	for _, m := range rowOf.FindAllStringSubmatch(table, -1) {
		published[m[1]] = m[2]
	}
	all := cases(t)
	for _, area := range compare.Areas() {
		if n, _ := folders(t, all, area); published[string(area)] != strconv.Itoa(n) {
			t.Errorf("%s: %d differences in the corpus, %q in %s: run .github/bench/verdict.sh", area, n, published[string(area)], page)
		}
	}
}
