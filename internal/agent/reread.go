package agent

import (
	"os"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/step"
)

// leftOf is what is left to do by hand of a promotion that can only be read; nothing when it has touched nothing.
func leftOf(folder journal.Folder, p plan.Plan, records []journal.Record) []string {
	runner := promote.Runner{ID: folder.ID, Plan: p, Journal: readJournal(records), Target: step.Target{Point: point{dir: folder.Restore()}}}
	if !runner.Begun() {
		return nil
	}
	return runner.Left()
}

// readJournal is a journal that is only read.
type readJournal []journal.Record

func (t readJournal) Append(journal.Record) (journal.Record, error) {
	return journal.Record{}, os.ErrPermission
}
func (t readJournal) Records() []journal.Record { return t }
func (t readJournal) State() journal.State      { return journal.StateOf(t) }
