package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
)

// story is a promotion as the engine's host keeps it on its disk, read while it is written.
type story struct {
	dir    string          // of all promotions
	before map[string]bool // those that were there before
	id     string          // of the one that is followed; "" until it begins
	from   int             // records before these are another call's
	plan   plan.Plan
}

// folder is where the engine's host keeps the state volume.
func (s *shop) folder(t testing.TB) string {
	t.Helper()
	info, err := world.engine.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(info.DockerRootDir, "volumes", "promote-state-"+s.Staging.Project, "_data")
}

// next follows the promotion that begins next.
func (s *shop) next(t *testing.T) *story {
	t.Helper()
	f := &story{dir: filepath.Join(s.folder(t), "promotions"), before: map[string]bool{}}
	names, err := os.ReadDir(f.dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, n := range names {
		f.before[n.Name()] = true
	}
	return f
}

// again follows the same promotion from now on.
func (f *story) again() { f.from = len(f.all()) }

func (f *story) all() []journal.Record {
	if f.id == "" {
		names, _ := os.ReadDir(f.dir)
		for _, n := range names {
			if !f.before[n.Name()] && promotion.ValidID(n.Name()) {
				f.id = n.Name()
			}
		}
	}
	if f.id == "" {
		return nil
	}
	if len(f.plan.Steps) == 0 {
		data, err := os.ReadFile(filepath.Join(f.dir, f.id, "plan.json"))
		if err != nil || json.Unmarshal(data, &f.plan) != nil {
			return nil
		}
	}
	replay, err := journal.Read(filepath.Join(f.dir, f.id, "journal"))
	if err != nil {
		return nil
	}
	return replay.Records
}

// records are those of the call that is followed, without notes.
func (f *story) records() []journal.Record {
	all := f.all()
	return slices.DeleteFunc(slices.Clone(all[min(f.from, len(all)):]), func(r journal.Record) bool { return r.Type == journal.Note })
}

// await waits for a moment; false when ctx ends before. The typical durations say how long a step takes.
func (f *story) await(ctx context.Context, m moment, typical map[string]time.Duration) bool {
	base := len(f.records())
	for {
		records := f.records()
		if m.step == "" && len(records) >= base+m.records {
			return true
		}
		if m.step != "" && f.reached(records, m) {
			if m.side == during {
				time.Sleep(time.Duration(m.fraction * float64(lasting(typical, m))))
			}
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func lasting(typical map[string]time.Duration, m moment) time.Duration {
	if d, known := typical[key(m.step, m.undo)]; known {
		return d
	}
	return time.Second
}

func key(step string, undo bool) string {
	if undo {
		return "undo " + step
	}
	return step
}

func kind(step string) string {
	k, _, _ := strings.Cut(step, " ")
	return k
}

func (f *story) reached(records []journal.Record, m moment) bool {
	begun, ended := journal.Intent, journal.Done
	if m.undo {
		begun, ended = journal.UndoIntent, journal.Undone
	}
	switch m.side {
	case before:
		return f.due(records, m)
	case after:
		begun = ended
	}
	return slices.ContainsFunc(records, func(r journal.Record) bool { return r.Type == begun && kind(r.Step) == m.step })
}

// due reports whether the step is what comes next, or came already.
func (f *story) due(records []journal.Record, m moment) bool {
	var touched []string // in the order of the plan
	previous := ""
	for _, item := range f.plan.Steps {
		if m.undo && item.Phase.Mutates() && f.touched(item.Name) {
			touched = append(touched, item.Name)
		}
		if !m.undo && kind(item.Name) == m.step {
			return slices.ContainsFunc(records, func(r journal.Record) bool {
				if previous == "" {
					return r.Type == journal.Phase && r.Phase == item.Phase
				}
				return r.Type == journal.Done && r.Step == previous
			})
		}
		if previous = item.Name; len(f.plan.Of(item.Phase)) > 0 && item.Name == f.plan.Of(item.Phase)[len(f.plan.Of(item.Phase))-1].Name {
			previous = ""
		}
	}
	for i, name := range touched {
		if kind(name) != m.step {
			continue
		}
		return slices.ContainsFunc(records, func(r journal.Record) bool {
			if i == len(touched)-1 {
				return r.Type == journal.Phase && r.Phase == promotion.Rollback
			}
			return r.Type == journal.Undone && r.Step == touched[i+1]
		})
	}
	return false
}

func (f *story) touched(step string) bool {
	return slices.ContainsFunc(f.all(), func(r journal.Record) bool { return r.Type == journal.Intent && r.Step == step })
}

// learn notes how long steps take.
func (f *story) learn(typical map[string]time.Duration) {
	begun := map[string]time.Time{}
	for _, r := range f.all() {
		k := key(kind(r.Step), r.Undo)
		switch r.Type {
		case journal.Intent, journal.UndoIntent:
			begun[k] = r.Time
		case journal.Done, journal.Undone:
			if at, known := begun[k]; known {
				typical[k] = r.Time.Sub(at)
			}
		}
	}
}

// taken is the time in which the new release may have taken orders that go with it when it is taken back.
func (f *story) taken() (from, to time.Time) {
	for _, r := range f.all() {
		switch {
		case r.Type == journal.Intent && kind(r.Step) == "open-database" && from.IsZero():
			from = r.Time
		case r.Type == journal.Undone && (kind(r.Step) == "start-services" || kind(r.Step) == "open-database"):
			to = r.Time
		}
	}
	return from, to
}
