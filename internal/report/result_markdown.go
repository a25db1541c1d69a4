package report

import (
	"cmp"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// markdown is the job summary: what the outcome is and what to do first, all else after it.
func (v resultView) markdown(d *document) {
	a := accountOf(v.Result)
	s := d.section("")
	s.heading(2, a.emoji, " ", esc(a.sentence))
	if v.Reason != "" {
		s.para(esc(v.Reason))
	}
	s.para(esc(v.facts()))
	if len(v.Left) > 0 {
		s.heading(3, "Left to do by hand, in this order")
		s.list(true, v.Left)
	}
	if len(v.Rollback) > 0 {
		s = d.section("errors of the rollback")
		s.heading(3, "What the rollback could not do")
		s.list(false, v.Rollback)
	}
	v.markdownFailure(d)
	v.markdownPhases(d)
	v.markdownExpectations(d)
	if rest := notPassed(v.Checks); len(rest) > 0 {
		s = d.section("checks that did not pass")
		s.heading(3, "Checks that did not pass")
		s.para(esc(counted(promotion.Count(v.Checks))))
		s.checks(rest)
	}
	v.markdownProof(d)
	if len(v.Warnings) > 0 {
		s = d.section("warnings")
		s.heading(3, "Warnings")
		s.list(false, v.Warnings)
	}
	v.markdownRest(d)
	if v.plan != nil {
		inner := &document{}
		p := planView{*v.plan}
		p.markdownChanges(inner)
		p.markdownSteps(inner)
		s = d.section("the plan")
		s.fold("The plan: "+p.footer(), func() {
			for _, part := range inner.sections {
				s.b.WriteString(part.b.String())
			}
		})
	}
}

func (v resultView) markdownFailure(d *document) {
	f := v.Failure
	if f == nil {
		return
	}
	s := d.section("the failure")
	s.heading(3, "What failed")
	s.para("**", esc(whereFailed(f)), "**: ", esc(f.Message))
	if f.Hint != "" {
		s.para("Hint: ", esc(f.Hint))
	}
	if len(f.Health) > 0 {
		s.fold("Health, oldest first", func() { s.fence(f.Health, 40) })
	}
	if len(f.Log) > 0 {
		s.fold("Last log lines"+ofService(f), func() { s.fence(f.Log, 200) })
	}
}

func (v resultView) markdownPhases(d *document) {
	if len(v.Phases) == 0 {
		return
	}
	s := d.section("the phases")
	s.heading(3, "Phases")
	var rows [][]raw
	for _, p := range v.Phases {
		took := raw("")
		if p.Status != promotion.Skip {
			took = esc(text.Took(p.Took.Time()))
		}
		rows = append(rows, []raw{raw(phaseMark(p).Text), esc(string(p.Phase)), esc(word(p)), took, esc(cmp.Or(p.Reason, steps(p)))})
	}
	s.table([]raw{"", "phase", "", "took", ""}, rows)
	var all [][]raw
	for _, p := range v.Phases {
		for _, step := range p.Steps {
			all = append(all, []raw{esc(string(p.Phase)), esc(described(step)), esc(string(step.Status)), esc(text.Took(step.Took.Time())), esc(estimate(step.Estimate.Time()))})
		}
	}
	if len(all) > 0 {
		s = d.section("the steps")
		s.fold(text.Plural(len(all), "step"), func() { s.table([]raw{"phase", "step", "", "took", "planned"}, all) })
	}
}

func (v resultView) markdownProof(d *document) {
	if v.Proof == nil {
		if v.Outcome == promotion.RolledBack || v.Outcome == promotion.Restored || v.Outcome == promotion.RollbackFailed {
			d.section("the proof").para("**No proof:** nothing was compared with the restore point.")
		}
		return
	}
	s := d.section("the proof")
	s.heading(3, "Proof: ", esc(v.To), " compared with ", esc(cmp.Or(v.Proof.Of, "what it has to be")))
	shown, equal := proofRows(v.Proof)
	s.para(esc(proofVerdict(v.Proof, len(shown), equal).Text))
	var rows [][]raw
	for _, item := range shown {
		sign, detail := raw("="), esc(item.Got)
		if !item.Equal {
			sign, detail = "**≠**", esc(difference(item))
		}
		rows = append(rows, []raw{sign, esc(item.Area), code(item.Name), detail})
	}
	s.table([]raw{"", "area", "name", ""}, rows)
}

func (v resultView) markdownRest(d *document) {
	if len(v.Kept) > 0 {
		s := d.section("what is kept")
		s.heading(3, "Kept")
		s.list(false, v.Kept)
	}
	paths := v.paths()
	if len(v.Next)+len(paths) == 0 {
		return
	}
	s := d.section("next commands and paths")
	if len(v.Next) > 0 {
		s.heading(3, "Next")
		s.fence(v.Next, 40)
	}
	for _, p := range paths {
		s.line("- ", raw(p[0]), ": ", code(p[1]))
	}
}
