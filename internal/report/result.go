package report

import (
	"cmp"
	"strings"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// Result shows how a promotion went; p, which may be nil, is the plan that it followed. Its JSON is the result itself.
func Result(r promotion.Result, p *plan.Plan) View { return resultView{r, p} }

type resultView struct {
	promotion.Result
	plan *plan.Plan
}

// ResultSchema names the JSON of a result.
const ResultSchema = "promote.result/1"

func (v resultView) kind() string { return "result" }

func (v resultView) json() any {
	v.Schema = cmp.Or(v.Schema, ResultSchema)
	return v.Result
}

func (v resultView) text(p *page) {
	a := accountOf(v.Result)
	p.line(0, text.S(a.kind, a.mark+" "), text.S(a.kind, a.sentence))
	if v.Reason != "" && (v.Failure == nil || v.Failure.Message != v.Reason) {
		p.line(2, text.S(text.Plain, v.Reason))
	}
	if facts := v.facts(); facts != "" {
		p.line(2, text.S(text.Faint, facts))
	}
	v.textFailure(p)
	v.textPhases(p)
	v.textExpectations(p)
	v.textChecks(p)
	v.textProof(p)
	if v.Outcome == promotion.RollbackFailed || len(v.Rollback) > 0 {
		p.list("what the rollback could not do", text.Bad, v.Rollback)
	}
	if len(v.Left) > 0 {
		p.heading("left to do by hand, in this order")
		for i, item := range v.Left {
			p.line(2, text.S(text.Bad, string(count(i+1))+". "), text.S(text.Plain, item))
		}
	}
	p.list("warnings", text.Caution, v.Warnings)
	p.list("kept", text.Faint, v.Kept)
	p.list("next", text.Accent, v.Next)
	t := text.Table{Head: []string{"", ""}}
	for _, path := range v.paths() {
		t.Add(text.S(text.Faint, path[0]), text.S(text.Plain, path[1]))
	}
	if t.Len() > 0 {
		p.add("")
		p.table(&t)
	}
}

// facts are who, how long and how long nobody could use the target.
func (v resultView) facts() string {
	facts := v.ID
	add := func(s string) {
		if facts != "" {
			facts += " · "
		}
		facts += s
	}
	if v.By != "" {
		add("by " + v.By)
	}
	if v.Commit != "" {
		add("commit " + text.Short(v.Commit))
	}
	if !v.Ended.IsZero() && !v.Started.IsZero() {
		add("took " + text.Took(v.Ended.Sub(v.Started)))
	}
	if v.Downtime > 0 {
		down := "downtime " + text.Took(v.Downtime.Time())
		if v.EstDowntime > 0 {
			down += " (planned about " + text.About(v.EstDowntime.Time()) + ")"
		}
		add(down)
	}
	if v.Class != "" {
		add("rollback class " + v.Class)
	}
	return facts
}

func (v resultView) paths() [][2]string {
	var paths [][2]string
	for _, p := range [][2]string{{"backup", v.BackupPath}, {"log", v.LogPath}, {"report", v.ReportPath}} {
		if p[1] != "" {
			paths = append(paths, p)
		}
	}
	return paths
}

func (v resultView) textFailure(p *page) {
	f := v.Failure
	if f == nil {
		return
	}
	p.heading("what failed")
	p.line(2, text.S(text.Bad, whereFailed(f)+": "), text.S(text.Plain, f.Message))
	if len(f.Health) > 0 {
		p.line(2, text.S(text.Plain, "health, oldest first:"))
		p.quote(4, f.Health, 12)
	}
	if len(f.Log) > 0 {
		p.line(2, text.S(text.Plain, "last log lines"+ofService(f)+":"))
		p.quote(4, f.Log, 40)
	}
	if f.Hint != "" {
		p.line(2, text.S(text.Accent, "hint: "), text.S(text.Plain, f.Hint))
	}
}

func whereFailed(f *promotion.Failure) string {
	where := string(f.Phase)
	if f.Step != "" {
		where += ", " + f.Step
	}
	if f.Service != "" && !strings.HasPrefix(f.Message, "service "+f.Service+":") {
		where += ", service " + f.Service
	}
	return where
}

func ofService(f *promotion.Failure) string {
	if f.Service == "" {
		return ""
	}
	return " of " + f.Service
}

func (v resultView) textPhases(p *page) {
	if len(v.Phases) == 0 {
		return
	}
	p.heading("phases")
	t := text.Table{Head: []string{"", "", "", ""}, Right: []int{2}, Indent: 2}
	for _, phase := range v.Phases {
		took := ""
		if phase.Status != promotion.Skip {
			took = text.Took(phase.Took.Time())
		}
		t.Add(phaseMark(phase), text.S(text.Plain, string(phase.Phase)), text.S(text.Plain, took), text.S(text.Faint, bounded(cmp.Or(phase.Reason, steps(phase)))))
		for _, s := range phase.Steps {
			if s.Status == promotion.Fail || s.Status == promotion.Error || s.Status == promotion.Warn {
				t.Note(mark(s.Status), text.S(text.Plain, " "), text.S(text.Plain, bounded(described(s))))
			}
		}
	}
	p.table(&t)
}

func steps(p promotion.PhaseResult) string {
	if len(p.Steps) == 0 {
		return ""
	}
	return text.Plural(len(p.Steps), "step")
}

func described(s promotion.StepResult) string {
	d := cmp.Or(s.Description, s.Name)
	if s.Message != "" {
		d += ": " + s.Message
	}
	return d
}

func (v resultView) textChecks(p *page) {
	if len(v.Checks) == 0 {
		return
	}
	p.heading("checks: " + counted(promotion.Count(v.Checks)))
	p.checks(notPassed(v.Checks), true)
}

func (v resultView) textProof(p *page) {
	if v.Proof == nil {
		if v.Outcome == promotion.RolledBack || v.Outcome == promotion.Restored || v.Outcome == promotion.RollbackFailed {
			p.heading("proof")
			p.line(2, text.S(text.Bad, "✗ "), text.S(text.Plain, "none: nothing was compared with the restore point"))
		}
		return
	}
	p.heading("proof: " + v.To + " compared with " + cmp.Or(v.Proof.Of, "what it has to be"))
	shown, equal := proofRows(v.Proof)
	t := text.Table{Head: []string{"", "", "", ""}, Indent: 2}
	for _, item := range shown {
		if item.Equal {
			t.Add(text.S(text.Good, "="), text.S(text.Plain, item.Area), text.S(text.Plain, item.Name), text.S(text.Faint, bounded(item.Got)))
			continue
		}
		t.Add(text.S(text.Bad, "≠"), text.S(text.Plain, item.Area), text.S(text.Plain, item.Name), text.S(text.Bad, bounded(difference(item))))
	}
	p.table(&t)
	p.line(2, proofVerdict(v.Proof, len(shown), equal))
}
