package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
	"github.com/org/promote-action/internal/text"
)

// StatusSchema names the JSON of a status.
const StatusSchema = "promote.status/1"

// StatusView is one environment now and lately.
type StatusView struct {
	Schema      string             `json:"schema"`
	Environment string             `json:"environment"`
	Snapshot    *snapshot.Snapshot `json:"snapshot,omitempty"` // nil: it could not be read; Problem says why
	Problem     string             `json:"problem,omitempty"`
	Current     *Running           `json:"current,omitempty"` // the promotion under way
	History     []HistoryEntry     `json:"history"`           // newest first
	Holds       []Hold             `json:"holds,omitempty"`
}

// Running is a promotion under way.
type Running struct {
	ID    string          `json:"id"`
	By    string          `json:"by,omitempty"`
	Since time.Time       `json:"since"`
	Phase promotion.Phase `json:"phase,omitempty"`
	Step  string          `json:"step,omitempty"`
}

// Hold is a release that is not promoted unasked.
type Hold struct {
	Release   string    `json:"release"`
	Promotion string    `json:"promotion"`
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"`
}

// Status shows an environment on one screen. Ages are counted to Options.Now, or else to the time of the snapshot.
func Status(v StatusView) View { return statusView{v} }

type statusView struct{ StatusView }

func (v statusView) kind() string { return "status" }

func (v statusView) json() any {
	v.Schema = StatusSchema
	v.History = append([]HistoryEntry{}, v.History...)
	return v.StatusView
}

func (v statusView) text(p *page) {
	v.textHead(p)
	if v.Current != nil {
		p.line(0, text.S(text.Accent, "▶ "), text.S(text.Accent, v.current(v.now(p.options))))
	}
	if s := v.Snapshot; s != nil {
		p.add("")
		p.table(v.services(v.now(p.options)))
		if t := databases(s.Servers); t.Len() > 0 {
			p.add("")
			p.table(t)
		}
		for _, m := range s.Missing {
			p.line(0, text.S(text.Caution, "not read: "), text.S(text.Plain, m.Part+": "+m.Reason))
		}
	}
	if len(v.History) > 0 {
		p.add("")
		entries, _ := head(v.History, 5)
		p.table(historyTable(entries))
	}
	for _, h := range v.Holds {
		p.line(0, text.S(text.Caution, "on hold: "), text.S(text.Plain, h.words()))
	}
}

func (v statusView) textHead(p *page) {
	if v.Snapshot == nil {
		p.line(0, text.S(text.Strong, v.Environment), text.S(text.Bad, " could not be read: "), text.S(text.Plain, cmp.Or(v.Problem, "no reason is known")))
		return
	}
	p.line(0, text.S(text.Strong, v.Environment), text.S(text.Faint, v.facts()))
	if v.Problem != "" {
		p.line(0, text.S(text.Bad, "problem: "), text.S(text.Plain, v.Problem))
	}
}

func (v statusView) facts() string {
	s := v.Snapshot
	facts := " · project " + s.Project
	if s.Engine.Version != "" {
		facts += " · engine " + s.Engine.Name + " " + s.Engine.Version
	}
	if s.Engine.DiskTotal > 0 {
		facts += " · disk " + step.Bytes(s.Engine.DiskFree) + " free"
	}
	if !s.TakenAt.IsZero() {
		facts += " · " + stamp(s.TakenAt)
	}
	return facts
}

func (v statusView) now(o Options) time.Time {
	if o.Now.IsZero() && v.Snapshot != nil {
		return v.Snapshot.TakenAt
	}
	return o.Now
}

func (v statusView) current(now time.Time) string {
	c := v.Current
	words := "promotion " + c.ID + " under way"
	if c.Phase != "" {
		words += ": " + string(c.Phase)
		if c.Step != "" {
			words += ", " + c.Step
		}
	}
	if c.By != "" {
		words += " · by " + c.By
	}
	if age := since(c.Since, now); age != "" {
		words += " · for " + age
	}
	return words
}

func since(t, now time.Time) string {
	if t.IsZero() || now.IsZero() {
		return ""
	}
	return text.Age(now.Sub(t))
}

func (h Hold) words() string {
	words := h.Release + " since " + h.Promotion
	if h.Reason != "" {
		words += ": " + h.Reason
	}
	return words
}

// serviceRow is one container as a person looks at it.
type serviceRow struct {
	service, state, health, image, revision, up, restarts, cpu, memory string
	kind                                                               text.Kind
}

func (v statusView) rows(now time.Time) []serviceRow {
	var rows []serviceRow
	for _, svc := range v.Snapshot.Services {
		if len(svc.Containers) == 0 {
			rows = append(rows, serviceRow{service: svc.Name, state: "no container", kind: text.Bad})
		}
		for i, c := range svc.Containers {
			r := serviceRow{service: svc.Name, state: c.State, health: c.Health, image: text.Short(cmp.Or(c.Image, c.ImageID)), revision: cmp.Or(text.Short(c.Revision), c.Version)}
			if len(svc.Containers) > 1 {
				r.service = fmt.Sprintf("%s #%d", svc.Name, i+1)
			}
			r.kind = text.Good
			switch {
			case svc.OneShot && c.State == "exited" && c.ExitCode == 0:
				r.kind, r.state, r.health = text.Faint, "completed", ""
			case c.State == "exited":
				r.kind, r.state = text.Bad, fmt.Sprintf("exited (%d)", c.ExitCode)
			case c.State != "running", c.Health == "unhealthy":
				r.kind = text.Bad
			case c.Health == "starting":
				r.kind = text.Caution
			}
			if c.State == "running" {
				r.up = since(c.StartedAt, now)
			}
			if c.Restarts > 0 {
				r.restarts = fmt.Sprint(c.Restarts)
			}
			if c.Memory > 0 {
				r.cpu, r.memory = fmt.Sprintf("%.1f%%", c.CPUPercent), step.Bytes(c.Memory)
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func (v statusView) services(now time.Time) *text.Table {
	t := &text.Table{Head: []string{"service", "state", "health", "image", "commit", "up", "restarts", "cpu", "memory"}, Right: []int{5, 6, 7, 8}}
	for _, r := range v.rows(now) {
		t.Add(text.S(text.Strong, r.service), text.S(r.kind, r.state), text.S(r.kind, r.health), text.S(text.Plain, r.image), text.S(text.Plain, r.revision),
			text.S(text.Plain, r.up), text.S(text.Caution, r.restarts), text.S(text.Plain, r.cpu), text.S(text.Plain, r.memory))
	}
	return t
}

func databases(servers []snapshot.Server) *text.Table {
	t := &text.Table{Head: []string{"database", "server", "version", "size", "sessions", "tables"}, Right: []int{3, 4, 5}}
	for _, s := range servers {
		for _, db := range s.Databases {
			t.Add(text.S(text.Strong, db.Name), text.S(text.Plain, s.Name), text.S(text.Plain, s.Version), text.S(text.Plain, step.Bytes(db.Size)),
				text.S(text.Plain, fmt.Sprint(db.Sessions)), text.S(text.Plain, fmt.Sprint(db.Tables)))
		}
	}
	return t
}

func (v statusView) markdown(d *document) {
	s := d.section("")
	s.heading(2, "Status of ", esc(v.Environment))
	if v.Snapshot == nil {
		s.para("It could not be read: ", esc(cmp.Or(v.Problem, "no reason is known")))
	} else {
		s.para(esc(v.Environment + v.facts()))
	}
	now := v.now(d.options)
	if v.Current != nil {
		s.para("**", esc(v.current(now)), "**")
	}
	if v.Snapshot != nil {
		s = d.section("services")
		var rows [][]raw
		for _, r := range v.rows(now) {
			rows = append(rows, []raw{code(r.service), esc(r.state), esc(r.health), code(r.image), code(r.revision), esc(r.up), esc(r.restarts), esc(r.cpu), esc(r.memory)})
		}
		s.table([]raw{"service", "state", "health", "image", "commit", "up", "restarts", "cpu", "memory"}, rows)
		rows = nil
		for _, server := range v.Snapshot.Servers {
			for _, db := range server.Databases {
				rows = append(rows, []raw{code(db.Name), code(server.Name), esc(server.Version), esc(step.Bytes(db.Size)), count(db.Sessions), count(db.Tables)})
			}
		}
		s.table([]raw{"database", "server", "version", "size", "sessions", "tables"}, rows)
		for _, m := range v.Snapshot.Missing {
			s.line("- not read: ", esc(m.Part), ": ", esc(m.Reason))
		}
	}
	if len(v.History) > 0 {
		s = d.section("last promotions")
		s.heading(3, "Last promotions")
		entries, _ := head(v.History, 5)
		historyRows(s, entries)
	}
	if len(v.Holds) > 0 {
		s = d.section("releases on hold")
		s.heading(3, "On hold")
		var lines []string
		for _, h := range v.Holds {
			lines = append(lines, h.words())
		}
		s.list(false, lines)
	}
}
