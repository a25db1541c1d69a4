package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/text"
)

// mostRows is the number of findings of one area that a summary or comment shows.
const mostRows = 100

// markdown is for a job summary and for a comment: the verdict and what blocks first, one table of areas, the rest in folds.
func (v comparisonView) markdown(d *document) {
	a := opinion(v.Comparison)
	s := d.section("")
	s.heading(2, a.emoji, " ", esc(a.sentence))
	if v.Why != "" {
		s.para(esc(v.Why))
	}
	if partial(v.Comparison) {
		s.para(esc(v.facts()))
	} else {
		s.para("**Score ", esc(points(v.Score)), "** of 100 · **coverage ", esc(points(&v.Coverage)), " %** · ready from ", esc(points(&v.Policy.Ready)),
			", caution from ", esc(points(&v.Policy.Caution)), ", coverage needed ", esc(points(&v.Policy.Coverage)), " %")
	}
	if len(v.Blocking) > 0 {
		s = d.section("what blocks")
		s.heading(3, "What blocks the promotion")
		for _, o := range v.Blocking {
			s.line("- **", esc(o.Title), "**: ", esc(o.Why), optional(" — ", o.Do))
		}
		s.b.WriteByte('\n')
	}
	v.markdownAreas(d)
	v.markdownLost(d)
	v.markdownServices(d)
	for _, area := range compare.Areas() {
		v.markdownFindings(d, area)
	}
	v.markdownRehearsal(d)
	v.markdownMissing(d)
	s = d.section("what was read")
	for _, side := range v.sides() {
		s.line("- ", code(side[0]), ": ", esc(side[1]))
	}
}

func optional(before raw, s string) raw {
	if s == "" {
		return ""
	}
	return before + esc(s)
}

func (v comparisonView) markdownAreas(d *document) {
	s := d.section("areas")
	var rows [][]raw
	for _, a := range v.Areas {
		note := raw("")
		switch {
		case len(a.Missing) > 0:
			note = "missing: " + esc(cell(a.Missing[0]))
			if n := len(a.Missing) - 1; n > 0 {
				note += " and " + count(n) + " more"
			}
		case a.Equal:
			note = "equal"
		}
		rows = append(rows, []raw{raw(areaMark(a, v.Policy).Text), esc(string(a.Area)), esc(points(a.Score)), esc(covered(a)), count(a.Findings), note})
	}
	s.table([]raw{"", "area", "score", "coverage", "differences", ""}, rows)
}

func (v comparisonView) markdownLost(d *document) {
	lost := v.lost()
	if len(lost) == 0 {
		return
	}
	s := d.section("points lost")
	s.fold(fmt.Sprintf("Where the points went: %s", text.Plural(len(lost), "objective")), func() {
		var rows [][]raw
		for _, o := range lost {
			rows = append(rows, []raw{raw(mark(o.Status).Text), esc(lostPoints(o)), esc(string(o.Area)), esc(o.Title), esc(cell(o.Why)) + optional("<br>", cell(o.Do))})
		}
		s.table([]raw{"", "points", "area", "what", "why, and what to do"}, rows)
	})
}

func (v comparisonView) markdownServices(d *document) {
	if len(v.Services) == 0 {
		return
	}
	moved, same := v.moved()
	s := d.section("services and commits")
	summary := fmt.Sprintf("What a promotion moves: %s", text.Plural(len(moved), "service"))
	if len(v.Commits) > 0 {
		summary += ", " + text.Plural(len(v.Commits), "commit")
	}
	s.fold(summary, func() {
		var rows [][]raw
		for _, m := range moved {
			sign, words, _ := arrow(m.Direction)
			if m.Commits > 0 {
				words += ", " + text.Plural(m.Commits, "commit")
			}
			rows = append(rows, []raw{raw(sign), code(m.Service), esc(version(m.From)), esc(version(m.To)), esc(words)})
		}
		s.table([]raw{"", "service", esc(v.From.Environment), esc(v.To.Environment), ""}, rows)
		if same > 0 {
			s.para(esc(text.Plural(same, "service")), " of the same version")
		}
		shown, more := head(v.Commits, 50)
		for _, c := range shown {
			s.line("- ", code(text.Short(c.Hash)), " ", esc(cell(c.Subject)), " (", esc(cell(c.Author)), ", ", esc(c.At.UTC().Format(time.DateOnly)), ")")
		}
		if more > 0 {
			s.line("- and ", count(more), " more")
		}
		s.b.WriteByte('\n')
	})
}

func (v comparisonView) markdownFindings(d *document, a compare.Area) {
	all := v.of(a)
	if len(all) == 0 {
		return
	}
	bad := 0
	for _, f := range all {
		if rank(f) < 2 {
			bad++
		}
	}
	summary := string(a) + ": " + text.Plural(len(all), "difference")
	if bad > 0 {
		summary += fmt.Sprintf(", %d of them to look at", bad)
	}
	s := d.section("differences of " + string(a))
	s.fold(summary, func() {
		shown, more := head(all, mostRows)
		var rows [][]raw
		for _, f := range shown {
			from, to := pair(f)
			var words []raw
			for _, n := range notes(f) {
				words = append(words, esc(cell(n.Text)))
			}
			rows = append(rows, []raw{raw(findingMark(f).Text), esc(f.Kind) + " " + code(cell(f.Subject)), value(from), value(to), joinRaw(words, "<br>")})
		}
		s.table([]raw{"", "what", esc(v.From.Environment), esc(v.To.Environment), ""}, rows)
		if more > 0 {
			s.para("and ", count(more), " more, in the JSON and HTML reports")
		}
	})
}

// value is one side of a difference; nothing is shown as nothing.
func value(s string) raw {
	if s == "–" || s == "" {
		return raw(s)
	}
	return code(s)
}

func joinRaw(parts []raw, between string) raw {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = string(p)
	}
	return raw(strings.Join(words, between))
}

func (v comparisonView) markdownRehearsal(d *document) {
	if v.Rehearsal == nil {
		return
	}
	headline, lines := rehearsed(v.Rehearsal)
	s := d.section("the rehearsal")
	s.heading(3, "Rehearsal")
	s.para(esc(headline.Text))
	if len(lines) > 0 {
		s.fold(text.Plural(len(lines), "line")+" of the rehearsal", func() { s.list(false, lines) })
	}
}

func (v comparisonView) markdownMissing(d *document) {
	var lines []string
	for _, a := range v.Areas {
		for _, m := range a.Missing {
			lines = append(lines, string(a.Area)+": "+cell(m))
		}
	}
	if len(lines) > 0 {
		s := d.section("what was not measured")
		s.fold("Not measured: "+text.Plural(len(lines), "thing"), func() { s.list(false, lines) })
	}
	if len(v.Expired) > 0 {
		s := d.section("expired acceptances")
		s.heading(3, "Acceptances that have expired")
		for _, e := range v.Expired {
			s.line("- ", code(cell(e.Finding)), ", until ", esc(e.Until.UTC().Format(time.DateOnly)), ": ", esc(cell(e.Reason)))
		}
	}
}
