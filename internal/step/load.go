package step

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// GivenDir is where the restore point holds a backup that was sent to be restored.
const GivenDir = "given"

// LoadDatabase puts the dump of a backup in the place of a database, which is kept under another name. The live database
// must be closed: until the swap nobody sees the new one, and after it nobody can write to the old one.
type LoadDatabase struct {
	Server   string            `json:"server"`
	Database string            `json:"database"`
	Backup   string            `json:"backup"` // its name
	File     string            `json:"file"`   // of the dump, in the restore point
	Schema   string            `json:"schema,omitempty"`
	Rows     map[string]int64  `json:"rows,omitempty"`   // that each table has to have
	Hashes   map[string]string `json:"hashes,omitempty"` // of the rows of each table
	As       string            `json:"as"`               // name while it is loaded and compared
	Aside    string            `json:"aside"`            // name under which the replaced database is kept
	Bytes    int64             `json:"bytes"`
}

// Describe implements Step.
func (s *LoadDatabase) Describe() string {
	return fmt.Sprintf("restore database %s (%s) of %s into %s, compare it, then swap it in; the present one stays as %s", s.Database, Bytes(s.Bytes), s.Backup, s.As, s.Aside)
}

// DescribeUndo implements Undescriber.
func (s *LoadDatabase) DescribeUndo() string {
	return fmt.Sprintf("swap the database that was replaced in for %s again, and drop the restored one", s.Database)
}

// Do implements Step.
func (s *LoadDatabase) Do(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	swapped, err := db.Exists(ctx, s.Aside)
	if err != nil || swapped { // cut off after the swap, which opens the database too
		return err
	}
	if err := db.Load(ctx, s.File, s.As, t.ID, func(done, total int64) { t.Progress(done, total, "bytes", "") }); err != nil {
		return err
	}
	got, err := db.Fingerprint(ctx, s.As, func(done, total int64) { t.Progress(done, total, "tables", "compare") })
	if err != nil {
		return err
	}
	if problems := s.differences(got); len(problems) > 0 {
		return fmt.Errorf("what was restored is not what the backup says: %s", strings.Join(first(problems, 5), "; "))
	}
	t.Note("info", fmt.Sprintf("database %s of %s: %s", s.Database, s.Backup, got.summary()))
	return db.Swap(ctx, s.Database, s.Aside, s.As)
}

// differences compares what was restored with what the backup says of it.
func (s *LoadDatabase) differences(got Fingerprint) []string {
	var d []string
	if s.Schema != "" && got.Schema != s.Schema {
		d = append(d, fmt.Sprintf("schema %s, expected %s", short(got.Schema), short(s.Schema)))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Rows)) {
		if table, there := got.Tables[name]; !there {
			d = append(d, name+" is not there")
		} else if table.Missing == "" && table.Rows != s.Rows[name] {
			d = append(d, fmt.Sprintf("%s: %d rows, expected %d", name, table.Rows, s.Rows[name]))
		} else if want := s.Hashes[name]; table.Missing == "" && want != "" && table.Hash != want {
			d = append(d, fmt.Sprintf("%s: other rows than were dumped (%d as expected)", name, table.Rows))
		}
	}
	return d
}

// Undo implements Step. The replaced database was closed all the time: it is what it was.
func (s *LoadDatabase) Undo(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	swapped, err := db.Exists(ctx, s.Aside)
	if err != nil {
		return err
	}
	if swapped {
		if err := db.Swap(ctx, s.Database, s.As, s.Aside); err != nil {
			return err
		}
	}
	// A swap opens the database. It stays closed until all is proved, whoever waits outside.
	if _, err := db.Close(ctx, s.Database); err != nil {
		return err
	}
	return db.Drop(ctx, s.As)
}

// Retire drops the database that was replaced, once the restore point is given up.
func (s *LoadDatabase) Retire(ctx context.Context, db Database) error {
	return errors.Join(db.Drop(ctx, s.As), db.Drop(ctx, s.Aside))
}
