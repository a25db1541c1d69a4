package report

import (
	"fmt"
	"time"

	"github.com/org/promote-action/internal/step"
	"github.com/org/promote-action/internal/text"
)

// BackupsSchema names the JSON of a list of backups.
const BackupsSchema = "promote.backups/1"

// BackupEntry is one backup as it lies in the backup folder.
type BackupEntry struct {
	Name        string    `json:"name"` // staging-backup-20260304-050607
	Path        string    `json:"path"`
	Environment string    `json:"environment,omitempty"`
	Promotion   string    `json:"promotion,omitempty"`
	Release     string    `json:"release,omitempty"`
	Commit      string    `json:"commit,omitempty"`
	TakenAt     time.Time `json:"taken_at,omitzero"`
	Bytes       int64     `json:"bytes"`
	Databases   int       `json:"databases"`
	Encrypted   bool      `json:"encrypted"`
	Protected   bool      `json:"protected,omitempty"` // an unfinished promotion needs it
	Problem     string    `json:"problem,omitempty"`   // why it cannot be used; empty: nothing known against it
}

// Backups shows backups in the given order, newest first by custom.
func Backups(entries []BackupEntry) View { return backupsView(entries) }

type backupsView []BackupEntry

type backupsJSON struct {
	Schema  string        `json:"schema"`
	Backups []BackupEntry `json:"backups"`
}

func (v backupsView) kind() string { return "list of backups" }

func (v backupsView) json() any { return backupsJSON{BackupsSchema, append([]BackupEntry{}, v...)} }

func (v backupsView) text(p *page) {
	if len(v) == 0 {
		p.line(0, text.S(text.Plain, "no backup yet"))
		return
	}
	t := &text.Table{Head: []string{"backup", "environment", "release", "size", "databases", "", "promotion"}, Right: []int{3, 4}}
	for _, e := range v {
		kind := text.Plain
		if e.Problem != "" {
			kind = text.Bad
		}
		t.Add(text.S(text.Strong, e.Name), text.S(text.Plain, e.Environment), text.S(text.Plain, e.Release), text.S(text.Plain, step.Bytes(e.Bytes)),
			text.S(text.Plain, fmt.Sprint(e.Databases)), text.S(kind, e.state()), text.S(text.Faint, e.Promotion))
		if e.Problem != "" {
			t.Note(text.S(text.Bad, "cannot be used: "), text.S(text.Plain, bounded(e.Problem)))
		}
	}
	p.table(t)
}

func (v backupsView) markdown(d *document) {
	s := d.section("")
	s.heading(2, "Backups")
	if len(v) == 0 {
		s.para("None yet.")
		return
	}
	var rows [][]raw
	for _, e := range v {
		state := esc(e.state())
		if e.Problem != "" {
			state = "**cannot be used:** " + esc(e.Problem)
		}
		rows = append(rows, []raw{code(e.Name), esc(e.Environment), code(e.Release), esc(step.Bytes(e.Bytes)), count(e.Databases), state, code(e.Promotion)})
	}
	d.section("the backups").table([]raw{"backup", "environment", "release", "size", "databases", "", "promotion"}, rows)
}

func (e BackupEntry) state() string {
	switch {
	case e.Problem != "":
		return "damaged"
	case e.Protected && e.Encrypted:
		return "needed, encrypted"
	case e.Protected:
		return "needed"
	case e.Encrypted:
		return "encrypted"
	default:
		return ""
	}
}
