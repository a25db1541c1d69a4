package step

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
)

// DumpDatabase takes the portable copy of one database while the application runs, and accepts it only when all of it
// was decoded again.
type DumpDatabase struct {
	Server   string `json:"server"`
	Database string `json:"database"`
	Bytes    int64  `json:"bytes"` // size of the database
}

// DumpFile is where the restore point holds the dump of a database.
func DumpFile(server, database string) string {
	return path.Join("backup", "databases", digest(server+"\x00"+database)+".dump.zst")
}

// DumpNote is where the restore point holds what is known of that dump.
func DumpNote(server, database string) string {
	return path.Join("dumps", digest(server+"\x00"+database)+".note.json")
}

// Describe implements Step.
func (s *DumpDatabase) Describe() string {
	return fmt.Sprintf("dump database %s (%s) online and decode the whole dump again", s.Database, Bytes(s.Bytes))
}

// Do implements Step.
func (s *DumpDatabase) Do(ctx context.Context, t *Target) error {
	db, err := t.Databases(s.Server)
	if err != nil {
		return err
	}
	dump, err := db.Dump(ctx, s.Database, DumpFile(s.Server, s.Database), func(done, total int64) {
		t.Progress(done, total, "bytes", "")
	})
	if err != nil {
		return err
	}
	dump.Server, dump.Database, dump.File = s.Server, s.Database, DumpFile(s.Server, s.Database)
	data, err := json.Marshal(dump)
	if err != nil {
		return err
	}
	t.Note("info", fmt.Sprintf("dump of %s: %s, %s compressed, %d tables, decoded", s.Database, Bytes(dump.Raw), Bytes(dump.Size), dump.Tables))
	return t.Point.Write(DumpNote(s.Server, s.Database), data)
}

// Undo implements Step.
func (s *DumpDatabase) Undo(context.Context, *Target) error { return nil }
