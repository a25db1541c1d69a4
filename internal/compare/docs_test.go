package compare

import (
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update-score", false, "write the table of objectives into score.md")

const (
	scorePage = "../../.github/docs/score.md"
	begin     = "<!-- objectives begin -->\n"
	end       = "<!-- objectives end -->"
)

func objectiveTable() string {
	var b strings.Builder
	b.WriteString("| objective | question | weight | key |\n|---|---|---:|---|\n")
	for _, o := range Objectives() {
		key := ""
		if o.Key {
			key = "key"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.ID, o.Title, figure(o.Weight), key)
	}
	return b.String()
}

// TestScorePage keeps the table of objectives in score.md in step with the code; -update-score writes it.
func TestScorePage(t *testing.T) {
	data, err := os.ReadFile(scorePage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(data), begin)
	table, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("%s has no place for the table of objectives", scorePage)
	}
	if *update {
		if err := os.WriteFile(scorePage, []byte(before+begin+objectiveTable()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != objectiveTable() {
		t.Errorf("%s is not what the code says; run: go test -run ^TestScorePage$ -update-score ./internal/compare", scorePage)
	}
}

// TestObjectives wants weights that add up to 100, and IDs that begin with their area and stand once.
func TestObjectives(t *testing.T) {
	sum, seen := 0.0, map[string]bool{}
	for _, o := range Objectives() {
		sum += o.Weight
		if seen[o.ID] || !strings.HasPrefix(o.ID, string(o.Area)+".") || o.Title == "" || o.Weight <= 0 {
			t.Errorf("%+v", o)
		}
		seen[o.ID] = true
	}
	if math.Abs(sum-100) > 1e-9 {
		t.Errorf("the weights add up to %v", sum)
	}
	for _, id := range []string{"schema.data-kept", "schema.rows-fit", "configuration.secrets", "readiness.source", "readiness.rollback"} {
		if !objectiveOf(id).Key {
			t.Errorf("%s is not key", id)
		}
	}
}

var word = regexp.MustCompile("`([^`]+)`")

// documented says whether a kind of finding is in score.md: by its name, or by one that ends or begins with ….
func documented(page, kind string) bool {
	_, page, _ = strings.Cut(page, "## Findings")
	for _, m := range word.FindAllStringSubmatch(page, -1) {
		name := strings.TrimPrefix(m[1], "OBJECT")
		head, headed := strings.CutSuffix(name, "…")
		tail, tailed := strings.CutPrefix(name, "…")
		switch {
		case name == kind, headed && head != "" && strings.HasPrefix(kind, head), tailed && tail != "" && strings.HasSuffix(kind, tail),
			name != m[1] && strings.HasSuffix(kind, name):
			return true
		}
	}
	return false
}

// literal is a kind of finding in the code: the argument behind an objective or behind a name for one.
var literal = regexp.MustCompile(`\((?:objective|runtimeObjective|backup|"[a-z]+\.[a-z-]+"), "([a-z-]+)",|weaker\("([a-z-]+)",`)

// TestKindsAreDocumented looks in score.md for every kind of finding that the code of the pure areas makes.
func TestKindsAreDocumented(t *testing.T) {
	page, err := os.ReadFile(scorePage)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range []string{"versions", "endpoints", "configuration", "variables", "runtime", "flags", "performance", "readiness", "preflight", "rehearsed", "schema", "data", "migrations"} {
		code, err := os.ReadFile(name + ".go")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(code), -1) {
			found++
			if kind := m[1] + m[2]; !documented(string(page), kind) && !strings.HasSuffix(kind, "-") {
				t.Errorf("%s: %s is not in score.md", name, kind)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d kinds were found in the code", found)
	}
}
