package report

import (
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// HistorySchema names the JSON of a history.
const HistorySchema = "promote.history/1"

// HistoryEntry is one promotion of the past, or the one under way.
type HistoryEntry struct {
	ID         string             `json:"id"`
	From       string             `json:"from,omitempty"`
	To         string             `json:"to"`
	Release    string             `json:"release,omitempty"`
	Outcome    promotion.Outcome  `json:"outcome"`
	Started    time.Time          `json:"started"`
	Took       promotion.Duration `json:"took"`
	By         string             `json:"by,omitempty"`
	Reason     string             `json:"reason,omitempty"`
	Restorable bool               `json:"restorable"` // `promote rollback ID` can still go back to before it
}

// History shows promotions in the given order, newest first by custom.
func History(entries []HistoryEntry) View { return historyView(entries) }

type historyView []HistoryEntry

type historyJSON struct {
	Schema     string         `json:"schema"`
	Promotions []HistoryEntry `json:"promotions"`
}

func (v historyView) kind() string { return "history" }

func (v historyView) json() any {
	return historyJSON{HistorySchema, append([]HistoryEntry{}, v...)}
}

func (v historyView) text(p *page) {
	if len(v) == 0 {
		p.line(0, text.S(text.Plain, "no promotion yet"))
		return
	}
	p.table(historyTable(v))
}

func (v historyView) markdown(d *document) {
	s := d.section("")
	s.heading(2, "Promotions")
	if len(v) == 0 {
		s.para("None yet.")
		return
	}
	historyRows(d.section("the promotions"), v)
}

func historyTable(entries []HistoryEntry) *text.Table {
	t := &text.Table{Head: []string{"promotion", "from → to", "release", "outcome", "took", "by", "rollback", "reason"}, Right: []int{4}}
	for _, e := range entries {
		t.Add(text.S(text.Strong, e.ID), text.S(text.Plain, e.way()), text.S(text.Plain, e.Release), text.S(outcomeKind(e.Outcome), string(e.Outcome)),
			text.S(text.Plain, e.took()), text.S(text.Plain, e.By), text.S(text.Faint, e.possible()), text.S(text.Faint, bounded(e.Reason)))
	}
	return t
}

func historyRows(s *section, entries []HistoryEntry) {
	var rows [][]raw
	for _, e := range entries {
		rows = append(rows, []raw{code(e.ID), esc(e.way()), code(e.Release), esc(string(e.Outcome)), esc(e.took()), esc(e.By), esc(e.possible()), esc(e.Reason)})
	}
	s.table([]raw{"promotion", "from → to", "release", "outcome", "took", "by", "rollback", "reason"}, rows)
}

func (e HistoryEntry) way() string {
	if e.From == "" {
		return e.To
	}
	return e.From + " → " + e.To
}

func (e HistoryEntry) took() string {
	if e.Took <= 0 {
		return ""
	}
	return text.Took(e.Took.Time())
}

func (e HistoryEntry) possible() string {
	if e.Restorable {
		return "possible"
	}
	return ""
}

// outcomeKind is Good for nothing but a promotion that ended on its release.
func outcomeKind(o promotion.Outcome) text.Kind {
	switch o {
	case promotion.Done:
		return text.Good
	case promotion.Running:
		return text.Accent
	case promotion.RollbackFailed, promotion.Unknown:
		return text.Bad
	default:
		return text.Caution
	}
}
