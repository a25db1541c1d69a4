package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// ComparisonView is a comparison and where else it is told.
type ComparisonView struct {
	compare.Comparison
	LogPath string
}

// Comparison shows two environments side by side and how ready a promotion is. Its JSON is the comparison itself.
func Comparison(v ComparisonView) View { return comparisonView{v} }

type comparisonView struct{ ComparisonView }

func (v comparisonView) kind() string { return "comparison" }

func (v comparisonView) json() any {
	v.Schema = cmp.Or(v.Schema, compare.SchemaVersion)
	v.Areas = append([]compare.AreaResult{}, v.Areas...)
	v.Objectives = append([]compare.Objective{}, v.Objectives...)
	v.Findings = append([]compare.Finding{}, v.Findings...)
	v.Services = append([]compare.Move{}, v.Services...)
	return v.Comparison
}

// longestCell is the number of runes that one side of a difference may have beside the other.
const longestCell = 240

// opinion is a verdict in words. Only ready is Good.
func opinion(c compare.Comparison) account {
	pair := c.From.Environment + " → " + c.To.Environment + ": "
	if partial(c) {
		return partialOpinion(c, pair)
	}
	switch c.Verdict {
	case compare.Ready:
		return account{"✓", "✅", text.Good, pair + "ready to promote"}
	case compare.Caution:
		return account{"!", "⚠️", text.Caution, pair + "caution"}
	case compare.NotReady:
		return account{"✗", "⛔", text.Bad, pair + "not ready to promote"}
	case compare.Unknown:
		return account{"?", "❔", text.Caution, pair + "unknown: too little could be measured"}
	default:
		return account{"?", "❔", text.Bad, pair + "a verdict that this version does not know: " + string(c.Verdict)}
	}
}

// partial reports whether only some areas were asked for: there is no score of the whole then.
func partial(c compare.Comparison) bool {
	return len(c.Areas) > 0 && len(c.Areas) < len(compare.Areas())
}

func partialOpinion(c compare.Comparison, pair string) account {
	switch c.Verdict {
	case compare.Ready:
		return account{"✓", "✅", text.Good, pair + "no drift"}
	case compare.NotReady:
		return account{"✗", "⛔", text.Bad, pair + "drift"}
	default:
		return account{"?", "❔", text.Caution, pair + "unknown whether there is drift"}
	}
}

// points writes a score or a coverage: whole numbers, and never 100 for less.
func points(p *float64) string {
	if p == nil {
		return "–"
	}
	if *p > 99 && *p < 100 {
		return fmt.Sprintf("%.1f", min(*p, 99.9))
	}
	return fmt.Sprintf("%.0f", *p)
}

// covered is the coverage of an area; one of which nothing applies has none.
func covered(a compare.AreaResult) string {
	if a.Score == nil && a.Coverage == 0 && len(a.Missing) == 0 {
		return "–"
	}
	return points(&a.Coverage) + " %"
}

// facts are score and coverage with the limits that they are measured by.
func (v comparisonView) facts() string {
	parts := v.figures()
	if partial(v.Comparison) {
		parts = []string{"only " + string(v.Areas[0].Area) + " was compared"}
	}
	if n := v.count(compare.Fail); n > 0 {
		parts = append(parts, text.Plural(n, "failure"))
	}
	if n := v.count(compare.Warn); n > 0 {
		parts = append(parts, text.Plural(n, "warning"))
	}
	if n := v.count(compare.Info); n > 0 {
		parts = append(parts, text.Plural(n, "expected difference"))
	}
	return strings.Join(parts, " · ")
}

func (v comparisonView) figures() []string {
	return []string{
		"score " + points(v.Score) + " of 100 (ready from " + points(&v.Policy.Ready) + ", caution from " + points(&v.Policy.Caution) + ")",
		"coverage " + points(&v.Coverage) + " % (needed " + points(&v.Policy.Coverage) + " %)",
	}
}

func (v comparisonView) count(s compare.Severity) int {
	n := 0
	for _, f := range v.Findings {
		if f.Severity == s && f.Accepted == nil {
			n++
		}
	}
	return n
}

// sides say of each environment when it was read, or why not.
func (v comparisonView) sides() [][2]string {
	var out [][2]string
	for _, s := range []compare.Side{v.From, v.To} {
		words := ""
		if s.Project != "" {
			words = "project " + s.Project
		}
		switch {
		case s.Missing != "":
			words = "could not be read: " + s.Missing
		case s.Saved:
			words = joined(words, "from a file, read "+stamp(s.TakenAt), ", ")
		case !s.TakenAt.IsZero():
			words = joined(words, "read "+stamp(s.TakenAt), ", ")
		}
		out = append(out, [2]string{s.Environment, words})
	}
	return out
}

func joined(a, b, between string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + between + b
}

// lost are the objectives that cost points or were not measured, the dearest first.
func (v comparisonView) lost() []compare.Objective {
	var out []compare.Objective
	for _, o := range v.Objectives {
		if o.Lost > 0 || o.Status == promotion.Warn || o.Status == promotion.Fail || o.Status == promotion.Error {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b compare.Objective) int {
		return cmp.Or(cmp.Compare(b.Lost, a.Lost), cmp.Compare(gravity(a.Status), gravity(b.Status)))
	})
	return out
}

// lostPoints writes a loss with one digit; what cost nothing has none.
func lostPoints(o compare.Objective) string {
	if o.Lost < 0.05 {
		return ""
	}
	return fmt.Sprintf("−%.1f", o.Lost)
}

// of are the findings of an area: those that cost something first, accepted and expected ones after them.
func (v comparisonView) of(a compare.Area) []compare.Finding {
	var out []compare.Finding
	for _, f := range v.Findings {
		if f.Area == a {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b compare.Finding) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func rank(f compare.Finding) int {
	switch {
	case f.Accepted != nil:
		return 2
	case f.Severity == compare.Fail:
		return 0
	case f.Severity == compare.Warn:
		return 1
	default:
		return 3
	}
}

// findingMark is the sign of a finding.
func findingMark(f compare.Finding) text.Span {
	switch {
	case f.Accepted != nil:
		return text.S(text.Accent, "~")
	case f.Severity == compare.Fail:
		return text.S(text.Bad, "✗")
	case f.Severity == compare.Warn:
		return text.S(text.Caution, "!")
	default:
		return text.S(text.Faint, "≠")
	}
}

// notes are what a finding says beside its two values.
func notes(f compare.Finding) []text.Span {
	var out []text.Span
	if f.Message != "" {
		out = append(out, text.S(text.Plain, bounded(f.Message)))
	}
	if len(f.Hazards) > 0 {
		words := make([]string, len(f.Hazards))
		for i, h := range f.Hazards {
			words[i] = string(h)
		}
		line := "hazard: " + strings.Join(words, ", ")
		if f.Rows != nil {
			line += fmt.Sprintf("; %s of the target", text.Plural(int(*f.Rows), "row"))
		}
		out = append(out, text.S(text.Caution, line))
	}
	if f.Accepted != nil {
		out = append(out, text.S(text.Accent, bounded("accepted until "+f.Accepted.Until.UTC().Format(time.DateOnly)+": "+f.Accepted.Reason)))
	}
	if f.Do != "" && f.Severity != compare.Info && f.Accepted == nil {
		out = append(out, text.S(text.Accent, bounded("do: "+f.Do)))
	}
	return out
}

// cell is one side of a difference.
func cell(s string) string {
	n := 0
	for i := range s {
		if n++; n > longestCell {
			return s[:i] + "…"
		}
	}
	return s
}

// pair are the two values of a finding; what is missing on one side has a dash there.
func pair(f compare.Finding) (from, to string) {
	from, to = cell(f.From), cell(f.To)
	if from != "" || to != "" {
		from, to = cmp.Or(from, "–"), cmp.Or(to, "–")
	}
	return from, to
}

// arrow is a direction as a sign: what a promotion does to the target.
func arrow(d compare.Direction) (sign, words string, kind text.Kind) {
	switch d {
	case compare.Same:
		return "=", "same", text.Faint
	case compare.Ahead:
		return "→", "moves forward", text.Accent
	case compare.Behind:
		return "←", "would go backwards", text.Bad
	case compare.Diverged:
		return "⇄", "diverged", text.Caution
	case compare.OnlyFrom:
		return "+", "new", text.Accent
	case compare.OnlyTo:
		return "·", "only at the target, left alone", text.Faint
	default:
		return "≠", "differs, which is newer is not known", text.Caution
	}
}

// version is what runs, in a few words.
func version(v compare.Version) string {
	var parts []string
	if v.Version != "" {
		parts = append(parts, v.Version)
	}
	if v.Revision != "" && v.Revision != v.Version {
		parts = append(parts, text.Short(v.Revision))
	}
	if len(parts) == 0 {
		parts = append(parts, imageName(v.Image, v.ImageID))
	} else if id := text.Short(v.ImageID); id != "" {
		parts = append(parts, "("+id+")")
	}
	return cell(strings.Join(parts, " "))
}

// moved are the services whose version differs first, then the rest.
func (v comparisonView) moved() (moved []compare.Move, same int) {
	for _, m := range v.Services {
		if m.Direction == compare.Same {
			same++
			continue
		}
		moved = append(moved, m)
	}
	return moved, same
}

func lasted(s float64) string { return text.Took(time.Duration(s * float64(time.Second))) }

// rehearsed is what a rehearsal came to, in sentences.
func rehearsed(r *compare.Rehearsal) (headline text.Span, lines []string) {
	switch {
	case r.Error != "":
		headline = text.S(text.Bad, "the rehearsal did not end: "+r.Error)
	case r.Class == "app-only":
		headline = text.S(text.Good, "rollback class app-only, proved: "+r.ClassWhy)
	case r.Class != "":
		headline = text.S(text.Caution, "rollback class "+r.Class+": "+r.ClassWhy)
	default:
		headline = text.S(text.Caution, "the rollback class is not proved: "+r.ClassWhy)
	}
	for _, j := range r.Migration {
		words := fmt.Sprintf("%s migrated in %s", j.Service, lasted(j.Seconds))
		if j.Failure != "" || j.ExitCode != 0 {
			words = fmt.Sprintf("%s failed with code %d after %s: %s", j.Service, j.ExitCode, lasted(j.Seconds), j.Failure)
		}
		lines = append(lines, words)
	}
	for _, d := range r.Databases {
		lines = append(lines, fmt.Sprintf("%s: copied by %s in %s, %s changed, %s unlike the source's schema afterwards", d.Database, d.Copy, lasted(d.CopySeconds),
			text.Plural(len(d.Changed), "object"), text.Plural(len(d.Remaining), "object")))
		for _, t := range d.Rows {
			if t.Inserted+t.Updated+t.Deleted != 0 || t.Before != t.After {
				lines = append(lines, fmt.Sprintf("%s: %d rows before, %d after (%d inserted, %d updated, %d deleted)", t.Table, t.Before, t.After, t.Inserted, t.Updated, t.Deleted))
			}
		}
		for _, l := range d.Locks {
			lines = append(lines, fmt.Sprintf("%s: %s for %s or longer", l.Table, l.Mode, lasted(l.Seconds)))
		}
		for _, name := range d.Remaining {
			lines = append(lines, "not as in the source: "+name)
		}
	}
	for _, left := range r.Left {
		lines = append(lines, "could not be removed: "+left)
	}
	return headline, lines
}
