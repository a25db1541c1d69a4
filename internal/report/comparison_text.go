package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// Of one area this many findings are shown as text, of expected differences and of commits fewer.
const (
	mostFindings = 200
	mostExpected = 25
	mostCommits  = 15
)

func (v comparisonView) text(p *page) {
	a := opinion(v.Comparison)
	p.line(0, text.S(a.kind, a.mark+" "), text.S(a.kind, a.sentence))
	if v.Why != "" {
		p.line(2, text.S(text.Plain, v.Why))
	}
	p.line(2, text.S(text.Faint, v.facts()))
	v.textBlocking(p)
	v.textAreas(p)
	v.textServices(p)
	v.textLost(p)
	for _, a := range compare.Areas() {
		v.textFindings(p, a)
	}
	v.textRehearsal(p)
	v.textMissing(p)
	p.heading("read")
	t := text.Table{Head: []string{"", ""}, Indent: 2}
	for _, s := range v.sides() {
		t.Add(text.S(text.Faint, bounded(s[0])), text.S(text.Plain, bounded(s[1])))
	}
	if v.LogPath != "" {
		t.Add(text.S(text.Faint, "log"), text.S(text.Plain, v.LogPath))
	}
	p.table(&t)
}

func (v comparisonView) textBlocking(p *page) {
	if len(v.Blocking) == 0 {
		return
	}
	p.heading("what blocks the promotion")
	for _, o := range v.Blocking {
		p.line(2, text.S(text.Bad, "✗ "+o.Title+": "), text.S(text.Plain, o.Why))
		if o.Do != "" {
			p.line(4, text.S(text.Accent, "do: "), text.S(text.Plain, o.Do))
		}
	}
}

func (v comparisonView) textAreas(p *page) {
	p.heading("areas")
	t := text.Table{Head: []string{"", "area", "score", "coverage", "differences", ""}, Right: []int{2, 3, 4}, Indent: 2}
	for _, a := range v.Areas {
		m := areaMark(a, v.Policy)
		note := ""
		switch {
		case len(a.Missing) > 0:
			note = "missing: " + a.Missing[0]
			if n := len(a.Missing) - 1; n > 0 {
				note += fmt.Sprintf(" (and %d more)", n)
			}
		case a.Equal:
			note = "equal"
		}
		t.Add(m, text.S(text.Strong, string(a.Area)), text.S(m.Kind, points(a.Score)), text.S(text.Plain, covered(a)), text.S(text.Plain, fmt.Sprint(a.Findings)), text.S(text.Faint, bounded(note)))
	}
	p.table(&t)
}

// areaMark judges an area by the limits of the whole.
func areaMark(a compare.AreaResult, policy compare.Policy) text.Span {
	switch {
	case a.Score == nil && a.Coverage == 0 && len(a.Missing) == 0:
		return text.S(text.Faint, "–")
	case a.Score == nil || a.Coverage < policy.Coverage:
		return text.S(text.Caution, "?")
	case *a.Score >= policy.Ready:
		return text.S(text.Good, "✓")
	case *a.Score >= policy.Caution:
		return text.S(text.Caution, "!")
	default:
		return text.S(text.Bad, "✗")
	}
}

func (v comparisonView) textServices(p *page) {
	moved, same := v.moved()
	if len(v.Services) == 0 {
		return
	}
	p.heading("what a promotion moves")
	t := text.Table{Head: []string{"", "service", v.From.Environment, v.To.Environment, ""}, Indent: 2}
	for i := range t.Head {
		t.Head[i] = bounded(t.Head[i])
	}
	for _, m := range moved {
		sign, words, kind := arrow(m.Direction)
		if m.Commits > 0 {
			words += ", " + text.Plural(m.Commits, "commit")
		}
		t.Add(text.S(kind, sign), text.S(text.Strong, bounded(m.Service)), text.S(text.Plain, version(m.From)), text.S(text.Plain, version(m.To)), text.S(kind, words))
	}
	p.table(&t)
	if same > 0 {
		p.line(2, text.S(text.Faint, "= "+text.Plural(same, "service")+" of the same version"))
	}
	if len(v.Commits) == 0 {
		return
	}
	p.heading(text.Plural(len(v.Commits), "commit"))
	shown, more := head(v.Commits, mostCommits)
	for _, c := range shown {
		p.line(2, text.S(text.Faint, text.Short(c.Hash)+" "), text.S(text.Plain, c.Subject+" ("+c.Author+", "+c.At.UTC().Format(time.DateOnly)+")"))
	}
	if more > 0 {
		p.line(2, text.S(text.Faint, "and "+text.Plural(more, "more commit")))
	}
}

func (v comparisonView) textLost(p *page) {
	lost := v.lost()
	if len(lost) == 0 {
		return
	}
	p.heading("points lost")
	t := text.Table{Head: []string{"", "points", "area", "what", "why"}, Right: []int{1}, Indent: 2}
	for _, o := range lost {
		t.Add(mark(o.Status), text.S(text.Plain, lostPoints(o)), text.S(text.Faint, string(o.Area)), text.S(text.Strong, bounded(o.Title)), text.S(text.Plain, bounded(o.Why)))
		if o.Do != "" && (o.Status == promotion.Error || o.Count == 0) {
			t.Note(text.S(text.Accent, "do: "), text.S(text.Plain, bounded(o.Do)))
		}
	}
	p.table(&t)
}

func (v comparisonView) textFindings(p *page, a compare.Area) {
	all := v.of(a)
	if len(all) == 0 {
		return
	}
	p.heading(string(a) + ": " + text.Plural(len(all), "difference"))
	t := text.Table{Head: []string{"", "what", cell(v.From.Environment), cell(v.To.Environment)}, Indent: 2}
	shown, expected := 0, 0
	for _, f := range all {
		if shown == mostFindings || rank(f) == 3 && expected == mostExpected {
			continue
		}
		shown++
		if rank(f) == 3 {
			expected++
		}
		from, to := pair(f)
		t.Add(findingMark(f), text.S(text.Strong, cell(strings.TrimSpace(f.Kind+" "+f.Subject))), text.S(text.Plain, from), text.S(text.Plain, to))
		for _, n := range notes(f) {
			t.Note(n)
		}
	}
	p.table(&t)
	if more := len(all) - shown; more > 0 {
		p.line(2, text.S(text.Faint, "and "+text.Plural(more, "more difference")+": --format json and --format html have them"))
	}
}

func (v comparisonView) textRehearsal(p *page) {
	if v.Rehearsal == nil {
		return
	}
	headline, lines := rehearsed(v.Rehearsal)
	p.heading("rehearsal")
	p.line(2, headline)
	shown, more := head(lines, 60)
	for _, l := range shown {
		p.line(4, text.S(text.Faint, "- "), text.S(text.Plain, l))
	}
	if more > 0 {
		p.line(4, text.S(text.Faint, "and "+text.Plural(more, "more line")))
	}
}

func (v comparisonView) textMissing(p *page) {
	for _, a := range v.Areas {
		if len(a.Missing) > 0 {
			p.list("not measured: "+string(a.Area), text.Caution, a.Missing)
		}
	}
	if len(v.Expired) > 0 {
		var lines []string
		for _, e := range v.Expired {
			lines = append(lines, fmt.Sprintf("%s, until %s: %s", e.Finding, e.Until.UTC().Format(time.DateOnly), e.Reason))
		}
		p.list("acceptances that have expired", text.Caution, lines)
	}
}
