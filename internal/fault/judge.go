package fault

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
)

// ErrNoSpace is the error of a full disk.
const ErrNoSpace = syscall.ENOSPC

// Describe writes the target down for a comparison.
func (w *World) Describe() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(w.Containers)) {
		c := w.Containers[name]
		fmt.Fprintf(&b, "%s %s %s running=%t\n", name, c.Image, c.Config, c.Running)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Databases)) {
		db := w.Databases[name]
		fmt.Fprintf(&b, "%s open=%t schema=%v rows=%d complete=%t\n", name, db.Open, db.Schema, len(db.Rows), db.Complete)
	}
	fmt.Fprintf(&b, "files=%d commit=%s branch=%s\n", len(w.Volumes[volume]), w.Commit, w.Branch)
	return b.String()
}

// judge compares the target and the account with the outcome.
func (r *Run) judge() {
	w := r.World
	w.down, w.full = 0, 0
	if w.real != nil {
		if err := w.real.Sync(w); err != nil {
			r.violate("read the databases: %v", err)
			return
		}
	}
	switch r.Outcome {
	case promotion.Done:
		w.wholly(r, "new")
	case promotion.RolledBack, promotion.Restored, promotion.Refused, promotion.Canceled:
		if r.keeps() {
			w.kept(r)
		} else {
			w.wholly(r, "old")
		}
	case promotion.RollbackFailed:
		if !r.excused() && !r.lateWrites() {
			r.violate("a rollback failed although nothing failed for good: %v", r.Account.Rollback)
		}
		if len(r.Left) == 0 {
			r.violate("a rollback failed and nothing is said to be left to do: %v", r.Account.Rollback)
		}
	default:
		r.violate("outcome %q", r.Outcome)
	}
	for _, wrong := range w.Wrong {
		r.violate("%s", wrong)
	}
	if r.Outcome == promotion.Done && r.failed() {
		r.violate("done although a step had failed after the first mutation")
	}
	if r.Outcome == promotion.Refused || r.Outcome == promotion.Canceled {
		for name, c := range w.before {
			if got := w.Containers[name]; got == nil || got.ID != c.ID {
				r.violate("%s: %s was touched", r.Outcome, name)
			}
		}
	}
	r.account()
}

// lateWrites reports whether the only thing that differs is what the old release has written since: a restart of the host had
// started it at a moment when its database was open. Nothing is lost then, and it is for a person to say that it may stay.
func (r *Run) lateWrites() bool {
	if len(r.World.Late) == 0 {
		return false
	}
	for _, e := range r.Account.Rollback {
		if !strings.Contains(e, "differs from the restore point") { // the last word of each undo
			return false
		}
	}
	return true
}

// excused reports whether a fault was of a kind that no retry outlasts.
func (r *Run) excused() bool {
	for _, faults := range append(slices.Clone(r.Case.Faults), r.Case.ThenFaults...) {
		for _, f := range faults {
			if f.For > 10 {
				return true
			}
		}
	}
	return false
}

// wholly proves that the target is one release and nothing of another.
func (w *World) wholly(r *Run, release string) {
	w.services(r, release)
	began := r.touched("open-database")
	given := release == "new" && w.Shape.Given
	for i := range w.Shape.Databases {
		name := dbName(i)
		db := w.Databases[name]
		if db == nil {
			r.violate("%s: database %s is gone", release, name)
			continue
		}
		if !db.Open {
			r.violate("%s: database %s is closed", release, name)
		}
		want := []string{"1"}
		if given {
			want = []string{givenSchema}
		} else if release == "new" && w.Shape.Job {
			want = []string{"1", "2a", "2b"}
		}
		if !slices.Equal(db.Schema, want) {
			r.violate("%s: schema of %s is %v", release, name, db.Schema)
		}
		w.rows(r, release, "row "+name, func(key string) bool { _, ok := db.Rows[key]; return ok }, slices.Sorted(maps.Keys(db.Rows)))
	}
	if w.Shape.Volume {
		w.rows(r, release, "file", func(key string) bool { return slices.Contains(w.Volumes[volume], key) }, w.Volumes[volume])
	}
	w.databases(r, release, began)
	commit, branch := oldCommit, "main"
	if release == "new" && w.Shape.Checkout {
		commit, branch = newCommit, ""
	}
	if w.Commit != commit || w.Branch != branch {
		r.violate("%s: checkout at %s on %q", release, w.Commit[:4], w.Branch)
	}
}

func (w *World) services(r *Run, release string) {
	for name, was := range w.before {
		c := w.Containers[name]
		if c == nil {
			r.violate("%s: container %s is gone", release, name)
			continue
		}
		want := was
		if release == "new" && name != "db" && !w.Shape.Given {
			want.Image, want.Config = newImage+name, "new"
		}
		if c.Image != want.Image || c.Config != want.Config || c.Running != was.Running || c.Sick || c.Running && c.Stopped {
			r.violate("%s: container %+v", release, *c)
		}
	}
	for name := range w.Containers {
		if _, ok := w.before[name]; !ok {
			r.violate("%s: container %s was not there", release, name)
		}
	}
}

// rows proves that everything acknowledged is there, and nothing of the other release.
func (w *World) rows(r *Run, release, what string, has func(string) bool, all []string) {
	lost := 0
	for _, key := range w.Acked[what] {
		replaced := release == "new" && w.Shape.Given && what != "file" && strings.HasPrefix(key, "old-")
		if release == "old" && (strings.HasPrefix(key, "new-") || w.Late[key]) || replaced {
			continue
		}
		if !has(key) {
			lost++
		}
	}
	if !has("seed") {
		lost++
	}
	if lost > 0 {
		r.violate("%s: %d acknowledged %ss are lost", release, lost, what)
	}
	for _, key := range all {
		if release == "new" && w.Shape.Given && what != "file" && strings.HasPrefix(key, "old-") {
			r.violate("%s: %s %s is there, which the backup does not hold", release, what, key)
			return
		}
		if release == "old" && strings.HasPrefix(key, "new-") {
			r.violate("%s: %s %s of the new release is there", release, what, key)
			return
		}
	}
}

// databases proves that no copy is left but those that are meant to be.
func (w *World) databases(r *Run, release string, began bool) {
	for name, db := range w.Databases {
		kind, _, isCopy := strings.Cut(strings.TrimPrefix(name, "promote."), ".")
		switch {
		case !isCopy || !strings.HasPrefix(name, "promote."):
		case db.Open:
			r.violate("%s: copy %s is open", release, name)
		case kind == "failed" && release == "old" && began:
		case kind == "replaced" && release == "new" && w.Shape.Given && db.Complete:
		case kind == "restore" && release == "new" && !w.Shape.Load && db.Complete:
		default:
			r.violate("%s: copy %s is left (complete=%t)", release, name, db.Complete)
		}
	}
	if kind := w.aside(); release == "new" && kind != "" {
		for i := range w.Shape.Databases {
			if w.Databases["promote."+kind+"."+ID+"."+dbName(i)] == nil {
				r.violate("new: the restore point of %s is gone", dbName(i))
			}
		}
	}
}

// aside is the kind of copy that a rollback after the end needs; "" where that is a dump.
func (w *World) aside() string {
	switch {
	case w.Shape.Given:
		return "replaced"
	case w.Shape.Load:
		return ""
	}
	return "restore"
}

// kept proves a rollback that keeps the data.
func (w *World) kept(r *Run) {
	w.services(r, "old")
	for i := range w.Shape.Databases {
		name := dbName(i)
		db := w.Databases[name]
		if db == nil || !db.Open {
			r.violate("keep-data: database %s: %+v", name, db)
			continue
		}
		w.rows(r, "new", "row "+name, func(key string) bool { _, ok := db.Rows[key]; return ok }, nil)
	}
	if w.Shape.Volume {
		w.rows(r, "new", "file", func(key string) bool { return slices.Contains(w.Volumes[volume], key) }, nil)
	}
}

// failed reports whether the journal holds the failure of a mutating step, or a request to stop.
func (r *Run) failed() bool {
	replay, err := journal.Read(r.path)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(replay.Records, func(rec journal.Record) bool {
		return rec.Type == journal.Cancel || rec.Type == journal.Failed && rec.Phase.Mutates()
	})
}

// touched reports whether a step of the kind was ever begun.
func (r *Run) touched(kind string) bool {
	replay, err := journal.Read(r.path)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(replay.Records, func(rec journal.Record) bool {
		return rec.Type == journal.Intent && (rec.Step == kind || strings.HasPrefix(rec.Step, kind+" "))
	})
}

// account proves that what is told agrees with what happened.
func (r *Run) account() {
	a := r.Account
	if a.Outcome != r.Outcome {
		r.violate("account: outcome %s, is %s", a.Outcome, r.Outcome)
	}
	if a.By != "somebody" {
		r.violate("account: by %q", a.By)
	}
	shape := r.Case.Shape
	scope := Scope{Opened: r.touched("open-database") || r.touched("load-database"), KeepsData: r.keeps(), Databases: shape.Databases}
	if shape.Volume {
		scope.Volumes = 1
	}
	r.Violations = append(r.Violations, Account(a, scope)...)
}
