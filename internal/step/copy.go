package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// Way is how the instant copy of a database is made.
type Way string

// The ways, best first.
const (
	Clone Way = "clone" // CREATE DATABASE … TEMPLATE: given back by two renames
	Load  Way = "dump"  // a second dump, of the closed database: given back by restoring it into a new database
)

// CopyDatabase makes the copy that a rollback gives back. The live database must be closed.
type CopyDatabase struct {
	Server   string `json:"server"`
	Database string `json:"database"`
	Way      Way    `json:"way"`
	As       string `json:"as"`    // name of the copy, or of the database a dump is restored into
	Aside    string `json:"aside"` // name under which the failed database is kept
	Bytes    int64  `json:"bytes"`
}

// File is where the restore point holds the dump of the closed database.
func (s *CopyDatabase) File() string {
	return "closed/" + digest(s.Server+"\x00"+s.Database) + ".dump.zst"
}

// Describe implements Step.
func (s *CopyDatabase) Describe() string {
	if s.Way == Load {
		return fmt.Sprintf("dump the closed database %s (%s): the server allows no clone", s.Database, Bytes(s.Bytes))
	}
	return fmt.Sprintf("clone database %s (%s) as %s", s.Database, Bytes(s.Bytes), s.As)
}

// DescribeUndo implements Undescriber.
func (s *CopyDatabase) DescribeUndo() string {
	if s.Way == Load {
		return fmt.Sprintf("restore the dump into %s, then swap it in for %s; the failed database stays as %s", s.As, s.Database, s.Aside)
	}
	return fmt.Sprintf("swap the clone in for database %s; the failed one stays as %s", s.Database, s.Aside)
}

// Do implements Step.
func (s *CopyDatabase) Do(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	if s.Way == Clone {
		how, err := db.Clone(ctx, s.Database, s.As, t.ID)
		if err != nil {
			return err
		}
		t.Note("info", fmt.Sprintf("database %s is copied as %s (%s)", s.Database, s.As, how))
		return nil
	}
	// A closed database takes no connections, not even pg_dump's: let it in alone, now that the application is stopped.
	if err := db.Open(ctx, s.Database); err != nil {
		return err
	}
	dump, err := db.Dump(ctx, s.Database, s.File(), func(done, total int64) { t.Progress(done, total, "bytes", "") })
	if err != nil {
		return err
	}
	if _, err := db.Close(ctx, s.Database); err != nil {
		return err
	}
	if err := s.quiet(ctx, db, t); err != nil {
		return err
	}
	data, err := json.Marshal(dump)
	if err != nil {
		return err
	}
	return t.Point.Write(s.File()+".json", data)
}

// quiet proves that nothing was written while the database was open for its dump: the dump would hold more than the
// fingerprint says.
func (s *CopyDatabase) quiet(ctx context.Context, db Database, t *Target) error {
	data, err := t.Point.Read(FingerprintFile(s.Server, s.Database))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var before Fingerprint
	if err := json.Unmarshal(data, &before); err != nil {
		return err
	}
	now, err := db.Fingerprint(ctx, s.Database, func(int64, int64) {})
	if err != nil {
		return err
	}
	for _, item := range Compare(s.Database, before, now) {
		if !item.Equal {
			return fmt.Errorf("database %s was written to while it was dumped, by something that is not among the promoted services: %s", s.Database, item.Reason)
		}
	}
	return nil
}

// Undo implements Step.
func (s *CopyDatabase) Undo(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	if !t.Started("open-database") {
		return db.Drop(ctx, s.As) // nobody was let in since: the live database is the restore point
	}
	if s.Way == Load {
		untouched, err := s.untouched(ctx, db, t)
		if err != nil {
			return err
		}
		if untouched {
			return nil
		}
		swapped, err := db.Exists(ctx, s.Aside)
		if err != nil {
			return err
		}
		if !swapped {
			if err := db.Load(ctx, s.File(), s.As, t.ID, func(done, total int64) { t.Progress(done, total, "bytes", "") }); err != nil {
				return err
			}
		}
		if err := t.Point.Write(loadedFile(s.Server, s.Database), nil); err != nil {
			return err
		}
	}
	if err := db.Swap(ctx, s.Database, s.Aside, s.As); err != nil {
		return err
	}
	// A swap opens the database. It stays closed until all is proved, whoever waits outside.
	_, err = db.Close(ctx, s.Database)
	return err
}

// untouched reports whether the database still holds what it held when it was closed, so that no restore is needed.
func (s *CopyDatabase) untouched(ctx context.Context, db Database, t *Target) (bool, error) {
	data, err := t.Point.Read(FingerprintFile(s.Server, s.Database))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var want Fingerprint
	if err := json.Unmarshal(data, &want); err != nil {
		return false, err
	}
	got, err := db.Fingerprint(ctx, s.Database, func(int64, int64) {})
	if err != nil {
		return false, nil //nolint:nilerr // a database that cannot be read has been touched
	}
	schema, rows := Unchanged(want, got)
	return schema && rows, nil
}

// Retire drops the copy and the failed database, once the restore point is given up.
func (s *CopyDatabase) Retire(ctx context.Context, db Database) error {
	return errors.Join(db.Drop(ctx, s.As), db.Drop(ctx, s.Aside))
}
