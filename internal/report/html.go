package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

//go:embed result.html
var resultHTML string

//go:embed style.css
var styleCSS string

// htmlData is the result in the words of the other forms; the template only lays it out.
type htmlData struct {
	Title, Tone, Mark, Sentence, Reason, Facts, Where, Counts, Verdict, ProofOf string
	Failure                                                                     *promotion.Failure
	Log, Health, Rollback, Left, Warnings, Kept, Next                           []string
	Phases                                                                      []htmlPhase
	Checks                                                                      []promotion.Check
	Proof                                                                       []htmlProof
	NoProof                                                                     bool
	Paths                                                                       [][2]string
	Plan                                                                        *htmlPlan
}

type htmlPhase struct {
	Name, Mark, Word, Took, Reason, Tone string
	Share                                string // of the whole, in percent
	Steps                                []htmlStep
}

type htmlStep struct{ Mark, Tone, Text, Took, Planned string }

type htmlProof struct {
	Equal              bool
	Area, Name, Detail string
}

type htmlPlan struct {
	Footer, Class string
	Changes       [][5]string
	Steps         [][4]string
}

// html is one file that loads nothing and runs nothing.
func (v resultView) html(Options) ([]byte, error) {
	return htmlPage(resultHTML, v.htmlData())
}

// htmlPage fills a page's template. All pages have one look.
func htmlPage(source string, data any) ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"clean": func(s string) string { return text.Clean(bounded(s)) },
		"tone":  func(s promotion.Status) string { return tone(mark(s).Kind) },
		"mark":  func(s promotion.Status) string { return mark(s).Text },
	}).Parse(source)
	if err != nil {
		return nil, err
	}
	if _, err := t.New("style").Parse(styleCSS); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return inertMarkup(b.String()), nil
}

func (v resultView) htmlData() htmlData {
	a := accountOf(v.Result)
	h := htmlData{
		Title: "Promotion " + v.ID, Tone: tone(a.kind), Mark: a.mark, Sentence: a.sentence, Reason: v.Reason, Facts: v.facts(),
		Failure: v.Failure, Paths: v.paths(), Left: bulk(v.Left), Rollback: bulk(v.Rollback), Warnings: bulk(v.Warnings), Kept: bulk(v.Kept), Next: bulk(v.Next),
	}
	if v.Failure != nil {
		h.Where = whereFailed(v.Failure)
		h.Log, _ = tail(v.Failure.Log, 200)
		h.Health, _ = tail(v.Failure.Health, 40)
	}
	h.Phases = v.htmlPhases()
	if len(v.Checks) > 0 {
		h.Counts = counted(promotion.Count(v.Checks))
		h.Checks, _ = head(append(notPassed(v.Checks), passed(v.Checks)...), 1000)
	}
	h.NoProof = v.Proof == nil && (v.Outcome == promotion.RolledBack || v.Outcome == promotion.Restored || v.Outcome == promotion.RollbackFailed)
	if v.Proof != nil {
		shown, equal := proofRows(v.Proof)
		h.ProofOf, h.Verdict = cmp.Or(v.Proof.Of, "what it has to be"), proofVerdict(v.Proof, len(shown), equal).Text
		for _, item := range shown {
			detail := item.Got
			if !item.Equal {
				detail = difference(item)
			}
			h.Proof = append(h.Proof, htmlProof{item.Equal, item.Area, item.Name, detail})
		}
	}
	if v.plan != nil {
		h.Plan = planView{*v.plan}.htmlPlan()
	}
	return h
}

func (v resultView) htmlPhases() []htmlPhase {
	var total promotion.Duration
	for _, p := range v.Phases {
		total += p.Took
	}
	var phases []htmlPhase
	for _, p := range v.Phases {
		m := phaseMark(p)
		phase := htmlPhase{Name: string(p.Phase), Mark: m.Text, Word: word(p), Reason: p.Reason, Tone: tone(m.Kind)}
		if p.Status != promotion.Skip {
			phase.Took = text.Took(p.Took.Time())
		}
		if total > 0 && p.Took > 0 {
			phase.Share = fmt.Sprintf("%.1f", float64(p.Took)/float64(total)*100)
		}
		for _, s := range p.Steps {
			m := mark(s.Status)
			phase.Steps = append(phase.Steps, htmlStep{m.Text, tone(m.Kind), described(s), text.Took(s.Took.Time()), estimate(s.Estimate.Time())})
		}
		phases = append(phases, phase)
	}
	return phases
}

func (v planView) htmlPlan() *htmlPlan {
	h := &htmlPlan{Footer: v.footer(), Class: string(v.Class) + ", " + classMeans(v.Class) + ": " + v.ClassReason}
	for _, c := range v.Changes {
		from, to := images(c)
		h.Changes = append(h.Changes, [5]string{c.Service, string(c.Action), from, to, c.Reason})
	}
	for _, item := range v.Steps {
		h.Steps = append(h.Steps, [4]string{string(item.Phase), item.Step.Describe(), undoOf(item), estimate(item.Estimate)})
	}
	return h
}

func passed(checks []promotion.Check) []promotion.Check {
	var p []promotion.Check
	for _, c := range checks {
		if c.Status == promotion.Pass {
			p = append(p, c)
		}
	}
	return p
}

// bulk bounds a list of lines.
func bulk(lines []string) []string {
	shown, more := head(lines, 500)
	if more > 0 {
		return append(append([]string(nil), shown...), "and "+text.Plural(more, "more line"))
	}
	return shown
}

func tone(k text.Kind) string {
	switch k {
	case text.Good:
		return "good"
	case text.Bad:
		return "bad"
	case text.Caution:
		return "caution"
	case text.Accent:
		return "accent"
	default:
		return "plain"
	}
}
