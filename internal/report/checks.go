package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// ChecksSchema names the JSON of checks.
const ChecksSchema = "promote.checks/1"

// ChecksView is one run of an environment's checks.
type ChecksView struct {
	Environment string
	Project     string
	Started     time.Time
	Took        promotion.Duration
	Checks      []promotion.Check
	LogPath     string
}

// Checks shows a run of checks.
func Checks(v ChecksView) View { return checksView{v} }

type checksView struct{ ChecksView }

type checksJSON struct {
	Schema      string             `json:"schema"`
	Environment string             `json:"environment"`
	Project     string             `json:"project,omitempty"`
	Started     time.Time          `json:"started,omitzero"`
	Took        promotion.Duration `json:"took"`
	Counts      promotion.Counts   `json:"counts"`
	Checks      []promotion.Check  `json:"checks"`
	LogPath     string             `json:"log,omitempty"`
}

func (v checksView) kind() string { return "list of checks" }

func (v checksView) json() any {
	return checksJSON{ChecksSchema, v.Environment, v.Project, v.Started, v.Took, promotion.Count(v.Checks), append([]promotion.Check{}, v.Checks...), v.LogPath}
}

func (v checksView) text(p *page) {
	p.line(0, v.verdict())
	for _, category := range categories(v.Checks) {
		p.heading(category)
		p.checks(inCategory(v.Checks, category), false)
	}
	if v.LogPath != "" {
		p.add("")
		p.line(0, text.S(text.Faint, "log "), text.S(text.Plain, v.LogPath))
	}
}

func (v checksView) verdict() text.Span {
	words := v.Environment + ": " + counted(promotion.Count(v.Checks))
	if v.Took > 0 {
		words += " in " + text.Took(v.Took.Time())
	}
	switch {
	case len(v.Checks) == 0:
		return text.S(text.Caution, words)
	case len(promotion.Blocking(v.Checks)) > 0:
		return text.S(text.Bad, words)
	default:
		return text.S(text.Strong, words)
	}
}

func (v checksView) markdown(d *document) {
	s := d.section("")
	s.heading(2, "Checks of ", esc(v.Environment))
	s.para(esc(v.verdict().Text))
	if rest := notPassed(v.Checks); len(rest) > 0 {
		s = d.section("checks that did not pass")
		s.heading(3, "Not passed")
		s.checks(rest)
	}
	for _, category := range categories(v.Checks) {
		s = d.section("checks of " + category)
		s.fold(category+": "+counted(promotion.Count(inCategory(v.Checks, category))), func() {
			s.checkTable(inCategory(v.Checks, category))
		})
	}
}

// counted writes the counts that are not zero: 12 checks: 11 pass, 1 warn.
func counted(c promotion.Counts) string {
	n := c.Pass + c.Warn + c.Fail + c.Skip + c.Error
	if n == 0 {
		return "no check ran"
	}
	var parts []string
	for _, x := range []struct {
		n    int
		word promotion.Status
	}{{c.Pass, promotion.Pass}, {c.Warn, promotion.Warn}, {c.Fail, promotion.Fail}, {c.Error, promotion.Error}, {c.Skip, promotion.Skip}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.word))
		}
	}
	return text.Plural(n, "check") + ": " + strings.Join(parts, ", ")
}

func notPassed(checks []promotion.Check) []promotion.Check {
	var rest []promotion.Check
	for _, c := range checks {
		if c.Status != promotion.Pass {
			rest = append(rest, c)
		}
	}
	slices.SortStableFunc(rest, func(a, b promotion.Check) int { return cmp.Compare(gravity(a.Status), gravity(b.Status)) })
	return rest
}

func gravity(s promotion.Status) int {
	switch s {
	case promotion.Fail:
		return 0
	case promotion.Error:
		return 1
	case promotion.Warn:
		return 2
	default:
		return 3
	}
}

// categories are the categories in the order in which they first appear.
func categories(checks []promotion.Check) []string {
	var names []string
	for _, c := range checks {
		if name := cmp.Or(c.Category, "other"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func inCategory(checks []promotion.Check, category string) []promotion.Check {
	var in []promotion.Check
	for _, c := range checks {
		if cmp.Or(c.Category, "other") == category {
			in = append(in, c)
		}
	}
	return in
}

// checks writes rows with the hint and the detail of what did not pass under each.
func (p *page) checks(checks []promotion.Check, categories bool) {
	shown, more := head(checks, 500)
	t := text.Table{Head: []string{"", "", "", "", "", ""}, Right: []int{5}, Indent: 2}
	for _, c := range shown {
		category := ""
		if categories {
			category = c.Category
		}
		name := c.Name
		if categories && name == category {
			name = ""
		}
		took := ""
		if c.Took > 0 {
			took = text.Took(c.Took.Time())
		}
		t.Add(mark(c.Status), text.S(text.Faint, category), text.S(text.Strong, c.Service), text.S(text.Plain, name), text.S(text.Plain, bounded(c.Message)), text.S(text.Faint, took))
		if c.Status == promotion.Pass || c.Status == promotion.Skip {
			continue
		}
		if c.Hint != "" {
			t.Note(text.S(text.Accent, "hint: "), text.S(text.Plain, bounded(c.Hint)))
		}
		lines, _ := tail(c.Detail, 12)
		for _, l := range lines {
			t.Note(text.S(text.Faint, "│ "), text.S(text.Plain, bounded(l)))
		}
	}
	p.table(&t)
	if more > 0 {
		p.line(2, text.S(text.Faint, "and "+text.Plural(more, "more check")))
	}
}

// checks writes a table, and the details of each under it.
func (s *section) checks(checks []promotion.Check) {
	s.checkTable(checks)
	for i, c := range checks {
		if i == 50 {
			break
		}
		if len(c.Detail) > 0 && c.Status != promotion.Skip {
			s.fold(strings.Join(strings.Fields(c.Category+" "+c.Service+" "+c.Name), " "), func() { s.fence(c.Detail, 40) })
		}
	}
}

func (s *section) checkTable(checks []promotion.Check) {
	var rows [][]raw
	shown, more := head(checks, most)
	for _, c := range shown {
		message := esc(c.Message)
		if c.Hint != "" && c.Status != promotion.Pass {
			message += "<br>hint: " + esc(c.Hint)
		}
		rows = append(rows, []raw{esc(string(c.Status)), esc(c.Category), code(c.Service), esc(c.Name), message})
	}
	s.table([]raw{"", "category", "service", "check", "found"}, rows)
	if more > 0 {
		s.para("and ", count(more), " more")
	}
}
