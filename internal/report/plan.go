package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
	"github.com/org/promote-action/internal/text"
)

// Plan shows what a promotion would do. Its JSON is the plan itself, as it is saved and run.
func Plan(p plan.Plan) View { return planView{p} }

type planView struct{ plan.Plan }

func (v planView) kind() string { return "plan" }

func (v planView) json() any { return v.Plan }

func (v planView) text(p *page) {
	p.line(0, text.S(text.Strong, v.From+" → "+v.To), text.S(text.Plain, ": release "), text.S(text.Strong, v.Release.ID), text.S(text.Plain, v.mode()))
	for _, fact := range v.facts() {
		p.line(2, text.S(text.Faint, text.Pad(fact[0], 10)), text.S(text.Plain, fact[1]))
	}

	p.heading("services")
	t := text.Table{Head: []string{"service", "action", "from", "to", "why"}, Indent: 2}
	for _, c := range v.Changes {
		from, to := images(c)
		t.Add(text.S(text.Strong, c.Service), text.S(actionKind(c.Action), string(c.Action)), text.S(text.Plain, from), text.S(text.Plain, to), text.S(text.Faint, c.Reason))
	}
	p.table(&t)

	for _, phase := range promotion.Forward {
		items := v.Of(phase)
		if len(items) == 0 {
			continue
		}
		p.heading(string(phase))
		t := text.Table{Head: []string{"", "", ""}, Right: []int{0, 2}, Indent: 2}
		for _, item := range items {
			t.Add(text.S(text.Faint, fmt.Sprint(v.number(item.Name))), text.S(text.Plain, bounded(item.Step.Describe())), text.S(text.Faint, estimate(item.Estimate)))
			if undo := undoOf(item); undo != "" {
				t.Note(text.S(text.Faint, "undo: "), text.S(text.Faint, bounded(undo)))
			}
		}
		p.table(&t)
	}

	p.list("warnings", text.Caution, v.Warnings)
	p.add("")
	p.line(0, text.S(text.Strong, "rollback: "), text.S(text.Caution, string(v.Class)), text.S(text.Plain, ", "+classMeans(v.Class)+": "+v.ClassReason))
	p.line(0, text.S(text.Plain, v.footer()))
}

func (v planView) markdown(d *document) {
	s := d.section("")
	s.heading(2, "Plan: ", esc(v.From), " → ", esc(v.To), ", release ", code(v.Release.ID))
	for _, fact := range v.facts() {
		s.line("- ", raw(fact[0]), ": ", esc(fact[1]))
	}
	s.line("- rollback: **", esc(string(v.Class)), "**, ", esc(classMeans(v.Class)), ": ", esc(v.ClassReason))
	s.b.WriteByte('\n')
	s.para(esc(v.footer()))
	if len(v.Warnings) > 0 {
		s = d.section("warnings")
		s.heading(3, "Warnings")
		s.list(false, v.Warnings)
	}
	v.markdownChanges(d)
	v.markdownSteps(d)
}

func (v planView) markdownChanges(d *document) {
	s := d.section("services")
	s.heading(3, "Services")
	var rows [][]raw
	for _, c := range v.Changes {
		from, to := images(c)
		rows = append(rows, []raw{code(c.Service), esc(string(c.Action)), code(from), code(to), esc(c.Reason)})
	}
	s.table([]raw{"service", "action", "from", "to", "why"}, rows)
}

func (v planView) markdownSteps(d *document) {
	s := d.section("steps")
	s.heading(3, "Steps")
	var rows [][]raw
	for i, item := range v.Steps {
		rows = append(rows, []raw{count(i + 1), esc(string(item.Phase)), esc(item.Step.Describe()), esc(undoOf(item)), esc(estimate(item.Estimate))})
	}
	s.table([]raw{"", "phase", "step", "undone by", "about"}, rows)
}

func (v planView) mode() string {
	if v.Mode == "redeploy" {
		return ", which runs there already: drift is put right"
	}
	return ""
}

// facts are the lines under the headline, label and text.
func (v planView) facts() [][2]string {
	var facts [][2]string
	if r := v.Release; r.Commit != "" {
		words := text.Short(r.Commit)
		if r.Subject != "" {
			words += " " + quoted(r.Subject)
		}
		if r.Author != "" {
			words += " by " + r.Author
		}
		if r.Branch != "" {
			words += " on " + r.Branch
		}
		facts = append(facts, [2]string{"commit", words})
	}
	facts = append(facts, [2]string{"projects", v.FromProject + " → " + v.Project})
	if v.Fingerprint != "" {
		words := text.Short(v.Fingerprint)
		if !v.MadeAt.IsZero() {
			words += ", made " + stamp(v.MadeAt)
		}
		facts = append(facts, [2]string{"plan", words})
	}
	return facts
}

func (v planView) number(name string) int {
	for i, item := range v.Steps {
		if item.Name == name {
			return i + 1
		}
	}
	return 0
}

// footer counts what the plan does.
func (v planView) footer() string {
	before, mutating := 0, 0
	for _, item := range v.Steps {
		if item.Phase.Mutates() {
			mutating++
		} else {
			before++
		}
	}
	parts := []string{fmt.Sprintf("%s: %d before anything is touched, %d from shutdown on", text.Plural(len(v.Steps), "step"), before, mutating)}
	var services []string
	for _, a := range []struct {
		action plan.Action
		words  func(n int) string
	}{
		{plan.Replace, func(n int) string { return text.Plural(n, "service") + " replaced" }},
		{plan.Start, func(n int) string { return fmt.Sprintf("%d new", n) }},
		{plan.Run, func(n int) string { return text.Plural(n, "one-shot") }},
		{plan.Keep, func(n int) string { return fmt.Sprintf("%d kept", n) }},
		{plan.Leave, func(n int) string { return fmt.Sprintf("%d left alone", n) }},
	} {
		if n := len(v.Services(a.action)); n > 0 {
			services = append(services, a.words(n))
		}
	}
	if len(services) > 0 {
		parts = append(parts, strings.Join(services, ", "))
	}
	parts = append(parts, v.downtime(), "disk "+step.Bytes(v.Estimate.Disk))
	if v.Estimate.ImageBytes > 0 {
		parts = append(parts, "images to move at most "+step.Bytes(v.Estimate.ImageBytes))
	}
	if len(v.Warnings) > 0 {
		parts = append(parts, text.Plural(len(v.Warnings), "warning"))
	}
	return strings.Join(parts, " · ")
}

// downtime is the estimate, with a word on what it rests on.
func (v planView) downtime() string {
	words := "downtime about " + text.About(v.Estimate.Downtime.Time())
	if v.Estimate.Basis != "" {
		words += " (" + v.Estimate.Basis + ")"
	}
	return words
}

func undoOf(item step.Item) string {
	if !item.Phase.Mutates() {
		return ""
	}
	return step.DescribeUndo(item.Step)
}

func estimate(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	if d < time.Second {
		return text.About(d)
	}
	return "~" + text.About(d)
}

// images names the image before and after; what stays is not named twice.
func images(c plan.Change) (from, to string) {
	from, to = imageName(c.FromName, c.From), imageName(c.ToName, c.To)
	if from == to && from != "" {
		to = "="
	}
	return from, to
}

// imageName is an image for people: its name, and the beginning of its id.
func imageName(name, id string) string {
	id = text.Short(id)
	switch {
	case id == "":
		return name
	case name == "" || text.Short(name) == id:
		return id
	default:
		return name + " " + id
	}
}

func actionKind(a plan.Action) text.Kind {
	switch a {
	case plan.Replace, plan.Start:
		return text.Accent
	case plan.Run:
		return text.Caution
	default:
		return text.Faint
	}
}

func classMeans(c plan.Class) string {
	switch c {
	case plan.AppOnly:
		return "the old images run again and the data stays as it is"
	case plan.Replay:
		return "the old schema comes back and later writes are carried over"
	case plan.Restore:
		return "back to the moment of shutdown"
	default:
		return "not known"
	}
}

func quoted(s string) string { return "“" + s + "”" }

// stamp is a moment for people, always in UTC.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}
