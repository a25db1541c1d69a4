package corpus

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/compare"
)

// What a run is told by the environment.
const (
	wholeVariable = "PROMOTE_CORPUS"       // "whole": all cases and all pairs; else a part that takes seconds
	seedVariable  = "PROMOTE_CORPUS_SEED"  // of a run that is to be repeated
	tableVariable = "PROMOTE_CORPUS_TABLE" // a file that takes the table of error rates
)

// part is one of how many cases on databases are run where not all are.
const part = 4

func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64() >> 1
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s=%q: expected a number", seedVariable, text)
		}
	}
	t.Logf("%s=%d", seedVariable, n)
	return n
}

func whole() bool { return os.Getenv(wholeVariable) == "whole" }

// TestCorpus compares every case, and pairs of environments that differ in nothing that matters. At least 95 % of the
// differences have to be found as what they are, all that delete data, and one in a hundred comparisons without a difference
// may alarm. .github/bench/verdict.sh runs it whole and publishes the rates.
func TestCorpus(t *testing.T) {
	r := rand.New(rand.NewPCG(seed(t), 1))
	c := campaign{base: readTree(t, filepath.Join(root, "base.yml")), lab: newLab(t), random: r, rates: map[compare.Area]*rate{}, whole: whole()}
	for _, area := range compare.Areas() {
		c.rates[area] = &rate{}
	}
	all := cases(t)
	for _, one := range all {
		_, onDatabase := one.sql(t, "from.sql")
		if onDatabase && !c.whole && crc32.ChecksumIEEE([]byte(one.name()))%part != 0 {
			continue
		}
		t.Run(one.name(), func(t *testing.T) { c.play(t, one, onDatabase) })
	}
	c.pairs(t)
	if c.whole {
		for _, area := range compare.Areas() {
			if n, _ := folders(t, all, area); n < 6 {
				t.Errorf("%d differences in %s, at least 6 are wanted", n, area)
			}
		}
	}
	sum := c.sum()
	if c.whole && (sum.cases < 60 || sum.pairs < 100) {
		t.Errorf("%d differences and %d comparisons without one, at least 60 and 100 are wanted", sum.cases, sum.pairs)
	}
	if 20*sum.missed > sum.cases {
		t.Errorf("%d of %d differences were missed, at most 5 %% may be", sum.missed, sum.cases)
	}
	if sum.lost > 0 {
		t.Errorf("%d of %d deletions of data were missed", sum.lost, sum.deleting)
	}
	if 100*sum.alarms > sum.quiet {
		t.Errorf("%d of %d comparisons without a difference alarmed, at most 1 %% may", sum.alarms, sum.quiet)
	}
	if file := os.Getenv(tableVariable); file != "" {
		if err := os.WriteFile(file, []byte(c.table()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Printf("cases=%d missed=%d alarms=%d of=%d\n", sum.cases, sum.missed, sum.alarms, sum.quiet)
}

// rate counts what became of the cases of an area. A comparison without a difference covers all areas that it reads, and is
// counted under each; alarms are those that the area raised.
type rate struct {
	cases, missed  int
	deleting, lost int // cases that delete data
	quiet, alarms  int // comparisons without a difference: decoys and pairs
	pairs          int
}

// campaign is one run over the corpus.
type campaign struct {
	base        map[string]any
	lab         *lab
	random      *rand.Rand
	whole       bool
	rates       map[compare.Area]*rate
	quiet, loud int // comparisons without a difference, and those that alarmed
	pairsOfAll  int
}

func (c *campaign) world(t *testing.T, change map[string]any) world {
	t.Helper()
	var w world
	decode(t, "base.yml", patched(c.base, change).(map[string]any), &w)
	return w
}

func (c *campaign) play(t *testing.T, one seeded, onDatabase bool) {
	in := c.world(t, one.Change).input(t, c.random)
	if onDatabase {
		lab := *c.lab
		lab.t = t
		from, to := lab.databases(one)
		lab.fill(&in, from, to)
	}
	got := compare.Compare(in)
	j := one.judge(got)
	if one.Decoy {
		c.count(t, got, one.area)
		return
	}
	rate := c.rates[one.area]
	rate.cases++
	if one.DeletesData {
		rate.deleting++
	}
	if len(j.missed) > 0 {
		rate.missed++
		if one.DeletesData {
			rate.lost++
		}
		t.Logf("MISSED %s (%s): %s\nverdict %s: %s\n%s", one.name(), one.Title, strings.Join(j.missed, "; "), got.Verdict, got.Why, told(got))
	}
	if len(j.extra) > 0 {
		t.Errorf("%s raises what it does not name:\n%s", one.name(), strings.Join(j.extra, "\n"))
	}
}

// count takes a comparison that ought to raise nothing, for the areas that it covers.
func (c *campaign) count(t *testing.T, got compare.Comparison, areas ...compare.Area) {
	t.Helper()
	c.quiet++
	by := map[compare.Area]bool{}
	for _, f := range raised(got) {
		by[f.Area] = true
		t.Logf("ALARM %s", said(f))
	}
	if len(by) == 0 && got.Verdict != compare.Ready {
		t.Logf("ALARM verdict %s: %s\n%s", got.Verdict, got.Why, told(got))
		for _, area := range areas {
			by[area] = true
		}
	}
	if len(by) > 0 {
		c.loud++
	}
	for _, area := range areas {
		c.rates[area].quiet++
		if by[area] {
			c.rates[area].alarms++
		}
	}
}

func told(c compare.Comparison) string {
	var lines []string
	for _, f := range c.Findings {
		lines = append(lines, "  "+said(f))
	}
	for _, o := range c.Objectives {
		if o.Status == "error" {
			lines = append(lines, "  missing "+o.ID+": "+o.Why)
		}
	}
	return strings.Join(lines, "\n")
}

func (c *campaign) sum() rate {
	sum := rate{quiet: c.quiet, alarms: c.loud, pairs: c.pairsOfAll}
	for _, r := range c.rates {
		sum.cases += r.cases
		sum.missed += r.missed
		sum.deleting += r.deleting
		sum.lost += r.lost
	}
	return sum
}
