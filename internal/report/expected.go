package report

import (
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// expectation is one figure: what was estimated beforehand, what it came to, and what the estimate rests on.
type expectation struct{ what, estimated, took, basis string }

// expectations are the downtime and every step that went well and has an estimate with a basis.
func (v resultView) expectations() []expectation {
	var list []expectation
	if v.Downtime > 0 && v.EstDowntime > 0 && v.EstBasis != "" {
		list = append(list, expectation{"downtime", text.Took(v.EstDowntime.Time()), text.Took(v.Downtime.Time()), v.EstBasis})
	}
	for _, p := range v.Phases {
		for _, s := range p.Steps {
			if s.Basis != "" && s.Status == promotion.Pass {
				list = append(list, expectation{s.Name, text.Took(s.Estimate.Time()), text.Took(s.Took.Time()), s.Basis})
			}
		}
	}
	return list
}

func (v resultView) textExpectations(p *page) {
	list := v.expectations()
	if len(list) == 0 {
		return
	}
	p.heading("estimated, and what it took")
	t := text.Table{Head: []string{"", "", "", ""}, Right: []int{1, 2}, Indent: 2}
	for _, e := range list {
		t.Add(text.S(text.Plain, bounded(e.what)), text.S(text.Faint, e.estimated), text.S(text.Plain, e.took), text.S(text.Faint, bounded(e.basis)))
	}
	p.table(&t)
}

func (v resultView) markdownExpectations(d *document) {
	list := v.expectations()
	if len(list) == 0 {
		return
	}
	s := d.section("the estimates")
	s.heading(3, "Estimated, and what it took")
	var rows [][]raw
	for _, e := range list {
		rows = append(rows, []raw{esc(e.what), esc(e.estimated), esc(e.took), esc(e.basis)})
	}
	s.table([]raw{"", "estimated", "took", "the estimate is"}, rows)
}
