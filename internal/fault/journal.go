package fault

import (
	"fmt"
	"syscall"

	"github.com/org/promote-action/internal/journal"
)

// Journal is a real journal whose writer can be killed before and after every record, and whose disk can be full.
type Journal struct {
	*journal.Journal
	World *World
}

// Append implements promote.Journal.
func (j Journal) Append(r journal.Record) (journal.Record, error) {
	name := fmt.Sprintf("%s %s", r.Type, r.Step)
	j.World.tick("before record " + name)
	if j.World.full > 0 {
		j.World.full--
		return journal.Record{}, fmt.Errorf("record: %w", syscall.ENOSPC)
	}
	rec, err := j.Journal.Append(r)
	if err != nil {
		return rec, err
	}
	j.World.tick("after record " + name)
	return rec, nil
}
