// Package rehearsal decides what a rehearsed migration says about the way back: whether the old release runs on the migrated
// databases, so that a rollback keeps them (app-only), or not (restore). It is pure. What it does not know to be harmless
// counts as harm.
package rehearsal

import (
	"fmt"
	"slices"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
)

// Evidence is what a rehearsal found out.
type Evidence struct {
	Databases []Database
	Checks    []promotion.Check // of the old release on the migrated copies
	Errors    []string          // that the database servers reported while the old release ran
	Doubts    []string          // what failed, or could not be rehearsed
}

// Database is a copy of one database before and after the migration.
type Database struct {
	Name          string
	Before, After map[string]string // every object of the schema by kind and name, as postgres.Schema has them
	Tables        []Table
	Rewound       []string // sequences that stand lower than before
	Broken        []string // statements of the old release that the server no longer accepts, each with the reason
}

// Table is what the migration did to the rows of a table that was there before.
type Table struct {
	Name                       string
	Before, After              int64
	Inserted, Updated, Deleted int64
	Same                       bool   // all that the table held before is there and equal, in the columns that it had
	Ledger                     bool   // it belongs to the program that migrates
	Unread                     string // why it could not be compared
}

// Class is the rollback class that the evidence proves, and why: app-only only where nothing speaks against it.
func Class(e Evidence) (class plan.Class, why string) {
	var reasons []string // what the migration itself does first
	for _, db := range e.Databases {
		for _, reason := range db.breaks() {
			if len(e.Databases) > 1 {
				reason = db.Name + ": " + reason
			}
			reasons = append(reasons, reason)
		}
	}
	reasons = append(reasons, e.Doubts...)
	passed := 0
	for _, c := range e.Checks {
		switch c.Status {
		case promotion.Fail, promotion.Error:
			name := c.Name
			if c.Service != "" {
				name = c.Service + " " + name
			}
			reasons = append(reasons, fmt.Sprintf("the old release does not pass %s on the migrated copy: %s", name, c.Message))
		case promotion.Pass, promotion.Warn:
			passed++
		default:
		}
	}
	reasons = append(reasons, e.Errors...)
	if len(reasons) == 0 && passed == 0 {
		reasons = append(reasons, "no check of the old release could be run on the migrated copy")
	}
	if len(reasons) > 0 {
		why = reasons[0]
		if more := len(reasons) - 1; more > 0 {
			why += fmt.Sprintf(" (and %d more)", more)
		}
		return plan.Restore, why
	}
	return plan.AppOnly, fmt.Sprintf("the old release passed %d checks on a migrated copy of the databases, and the migration only added what it does not meet", passed)
}

// breaks is all that stands against keeping the database.
func (d Database) breaks() []string {
	out := slices.Concat(Breaks(d.Before, d.After), rowBreaks(d.Tables))
	for _, name := range d.Rewound {
		out = append(out, fmt.Sprintf("sequence %s is set back: it gives out numbers again that are taken", name))
	}
	for _, statement := range d.Broken {
		out = append(out, "the server no longer accepts what the old release sends: "+statement)
	}
	return out
}

// rowBreaks says which rows the migration did not leave as they were. Rows that it only added are as if somebody had written
// them.
func rowBreaks(tables []Table) []string {
	var out []string
	for _, t := range tables {
		switch {
		case t.Ledger:
		case t.Unread != "":
			out = append(out, fmt.Sprintf("table %s could not be compared: %s", t.Name, t.Unread))
		case t.Same:
		case t.Updated == 0 && t.Deleted == 0 && t.After == t.Before+t.Inserted:
		case t.After < t.Before:
			out = append(out, fmt.Sprintf("the migration takes rows away from %s (%d of %d are left), and app-only would keep it so", t.Name, t.After, t.Before))
		default:
			out = append(out, fmt.Sprintf("the migration changes rows of %s that the old release has written (%d updated, %d deleted)", t.Name, t.Updated, t.Deleted))
		}
	}
	return out
}
