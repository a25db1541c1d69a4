package compare

import (
	"cmp"
	"fmt"
	"strings"
)

// longLock is how long a lock that blocks readers may last in a rehearsal, in seconds.
const longLock = 1.0

// rehearsal takes what happened when the migration was tried on a copy of the target's databases.
func rehearsal(a *areaFindings, in Input) {
	const objective = "readiness.rehearsal"
	r := in.Rehearsal
	if r == nil {
		a.skip("not rehearsed: promote compare --rehearse", objective)
		return
	}
	if r.Error != "" {
		a.miss("the migration could not be rehearsed: "+r.Error, "", objective)
	}
	for _, job := range r.Migration {
		if job.ExitCode != 0 || job.Failure != "" {
			f := a.add(objective, "migration-fails", job.Service, Fail, fmt.Sprintf("the migration of %s fails on a copy of the target's data: %s", job.Service, cmp.Or(job.Failure, fmt.Sprintf("code %d", job.ExitCode))),
				"correct the migration, or the rows that it meets")
			f.Hazards = []Hazard{FailsOnRows}
		}
	}
	for _, db := range r.Databases {
		rehearsedDatabase(a, objective, db)
	}
	if r.Class != "" {
		a.add(objective, "rollback-class", r.Class, Info, fmt.Sprintf("a rollback of this release is %s: %s", r.Class, cmp.Or(r.ClassWhy, "no reason was given")), "")
	}
	for _, left := range sorted(r.Left) {
		a.add(objective, "rehearsal-left", left, Warn, left+" of the rehearsal could not be removed", "remove it by hand")
	}
}

func rehearsedDatabase(a *areaFindings, objective string, db RehearsedData) {
	if len(db.Remaining) > 0 {
		a.add(objective, "schema-remains", db.Database, Warn, fmt.Sprintf("the migrated copy of %s still differs from the source's schema: %s", db.Database, clip(strings.Join(sorted(db.Remaining), ", "))),
			"look whether the migration is whole")
	}
	for _, t := range db.Rows {
		if t.Deleted == 0 && t.After >= t.Before {
			continue
		}
		f := a.add(objective, "rows-deleted", db.Database+"."+t.Table, Fail, fmt.Sprintf("the migration deletes %d of %d rows of %s.%s", max(t.Deleted, t.Before-t.After), t.Before, db.Database, t.Table),
			"make sure that these rows are meant to go, and accept the finding by its ID")
		rows := max(t.Deleted, t.Before-t.After)
		f.Rows, f.Hazards = &rows, []Hazard{DeletesData}
	}
	for _, l := range db.Locks {
		if strings.HasPrefix(strings.ToLower(strings.ReplaceAll(l.Mode, " ", "")), "accessexclusive") && l.Seconds >= longLock {
			f := a.add(objective, "long-lock", db.Database+"."+l.Table, Warn, fmt.Sprintf("the migration locks %s.%s against readers for %.1f s", db.Database, l.Table, l.Seconds), "split the migration, or expect the downtime")
			f.Hazards = []Hazard{LocksTable}
		}
	}
}
