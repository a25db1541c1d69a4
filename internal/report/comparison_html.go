package report

import (
	_ "embed"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/text"
)

//go:embed comparison.html
var comparisonHTML string

// mostOnPage is the number of findings of one area that a page shows.
const mostOnPage = 1000

// comparisonPage is the comparison in the words of the other forms; the template only lays it out.
type comparisonPage struct {
	Tone, Mark, Sentence, Why, Facts, From, To string
	Gauges                                     []gauge
	Blocking, Objectives                       []compare.Objective
	Areas                                      []areaRow
	Services                                   []moveRow
	Commits                                    []commitRow
	Lost                                       []lostRow
	Differences                                []differences
	Rehearsal                                  *rehearsalPart
	Missing, Expired                           []string
	Sides                                      [][2]string
}

// gauge is a figure of 100 with the limits that it is measured by.
type gauge struct {
	Tone, Value, Of, Note string
	Percent               float64
	Limits                []float64
}

type areaRow struct {
	Tone, Mark, Name, Score, Coverage, Note string
	Findings                                int
}

type moveRow struct {
	Tone, Sign, Service, From, To, Words string
	Critical                             bool
}

type commitRow struct{ Hash, Subject, Author, At string }

type lostRow struct{ Tone, Mark, Points, Area, Title, Why, Do string }

type differences struct {
	Area, Counts string
	Open         bool
	Rows         []differenceRow
	More         int
}

type differenceRow struct {
	Tone, Mark, Severity, Kind, Subject, From, To, Message, Accepted, Do string
	Pair                                                                 bool
	Hazards                                                              []string
}

type rehearsalPart struct {
	Tone, Headline string
	Lines          []string
}

// html is one file that loads nothing and runs nothing.
func (v comparisonView) html(Options) ([]byte, error) { return htmlPage(comparisonHTML, v.page()) }

func (v comparisonView) page() comparisonPage {
	a := opinion(v.Comparison)
	p := comparisonPage{
		Tone: tone(a.kind), Mark: a.mark, Sentence: a.sentence, Why: v.Why, From: v.From.Environment, To: v.To.Environment, Facts: v.facts(), Gauges: v.gauges(a.kind),
		Blocking: v.Blocking, Objectives: v.Objectives, Sides: v.sides(),
	}
	for _, a := range v.Areas {
		m := areaMark(a, v.Policy)
		row := areaRow{tone(m.Kind), m.Text, string(a.Area), points(a.Score), covered(a), "", a.Findings}
		switch {
		case len(a.Missing) > 0:
			row.Note = "missing: " + a.Missing[0]
			if n := len(a.Missing) - 1; n > 0 {
				row.Note += fmt.Sprintf(" (and %d more)", n)
			}
		case a.Equal:
			row.Note = "equal"
		}
		p.Areas = append(p.Areas, row)
		for _, m := range a.Missing {
			p.Missing = append(p.Missing, string(a.Area)+": "+m)
		}
	}
	p.Missing = bulk(p.Missing)
	v.pageServices(&p)
	for _, o := range v.lost() {
		m := mark(o.Status)
		p.Lost = append(p.Lost, lostRow{tone(m.Kind), m.Text, lostPoints(o), string(o.Area), o.Title, o.Why, o.Do})
	}
	for _, a := range compare.Areas() {
		if d := v.differences(a); len(d.Rows) > 0 {
			p.Differences = append(p.Differences, d)
		}
	}
	if v.Rehearsal != nil {
		headline, lines := rehearsed(v.Rehearsal)
		p.Rehearsal = &rehearsalPart{tone(headline.Kind), headline.Text, bulk(lines)}
	}
	for _, e := range v.Expired {
		p.Expired = append(p.Expired, e.Finding+", until "+e.Until.UTC().Format(time.DateOnly)+": "+e.Reason)
	}
	return p
}

func (v comparisonView) gauges(kind text.Kind) []gauge {
	if partial(v.Comparison) {
		return nil
	}
	enough := text.Good
	if v.Coverage < v.Policy.Coverage {
		enough = text.Caution
	}
	score := gauge{Tone: tone(kind), Value: points(v.Score), Of: "of 100 points", Note: "ready from " + points(&v.Policy.Ready) + ", caution from " + points(&v.Policy.Caution), Limits: []float64{v.Policy.Caution, v.Policy.Ready}}
	if v.Score != nil {
		score.Percent = *v.Score
	}
	return []gauge{score, {Tone: tone(enough), Value: points(&v.Coverage) + " %", Of: "measured", Note: "needed: " + points(&v.Policy.Coverage) + " %", Percent: v.Coverage, Limits: []float64{v.Policy.Coverage}}}
}

func (v comparisonView) pageServices(p *comparisonPage) {
	for _, m := range v.Services {
		sign, words, kind := arrow(m.Direction)
		if m.Commits > 0 {
			words += ", " + text.Plural(m.Commits, "commit")
		}
		p.Services = append(p.Services, moveRow{tone(kind), sign, m.Service, version(m.From), version(m.To), words, m.Critical})
	}
	shown, _ := head(v.Commits, 500)
	for _, c := range shown {
		p.Commits = append(p.Commits, commitRow{text.Short(c.Hash), c.Subject, c.Author, c.At.UTC().Format(time.DateOnly)})
	}
}

func (v comparisonView) differences(a compare.Area) differences {
	all := v.of(a)
	shown, more := head(all, mostOnPage)
	d := differences{Area: string(a), Counts: text.Plural(len(all), "difference"), More: more}
	toLookAt := 0
	for _, f := range all {
		if rank(f) < 2 {
			toLookAt++
		}
	}
	if toLookAt > 0 {
		d.Open = true
		d.Counts += fmt.Sprintf(", %d of them to look at", toLookAt)
	}
	for _, f := range shown {
		m := findingMark(f)
		row := differenceRow{
			Tone: tone(m.Kind), Mark: m.Text, Severity: string(f.Severity), Kind: f.Kind, Subject: f.Subject, From: f.From, To: f.To, Message: f.Message,
			Pair: f.From != "" || f.To != "",
		}
		for _, h := range f.Hazards {
			row.Hazards = append(row.Hazards, string(h))
		}
		if f.Rows != nil {
			row.Hazards = append(row.Hazards, text.Plural(int(*f.Rows), "row"))
		}
		switch {
		case f.Accepted != nil:
			row.Accepted = "accepted until " + f.Accepted.Until.UTC().Format(time.DateOnly) + ": " + f.Accepted.Reason
		case f.Severity != compare.Info:
			row.Do = f.Do
		}
		d.Rows = append(d.Rows, row)
	}
	return d
}
