package step

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// ErrDiffers means that the target is not what its restore point says.
var ErrDiffers = errors.New("differs from the restore point")

// FingerprintDatabase writes down what a database holds at the moment when nothing writes any more. Its undoing reads the
// database again and proves that it holds the same.
type FingerprintDatabase struct {
	Server   string `json:"server"`
	Database string `json:"database"`
}

// FingerprintFile is where the restore point holds the fingerprint of a database.
func FingerprintFile(server, database string) string {
	return path.Join("fingerprints", digest(server+"\x00"+database)+".json")
}

// Describe implements Step.
func (s *FingerprintDatabase) Describe() string {
	return fmt.Sprintf("fingerprint the schema and every row of database %s", s.Database)
}

// DescribeUndo implements Undescriber.
func (s *FingerprintDatabase) DescribeUndo() string {
	return "prove that schema and rows of database " + s.Database + " are what they were"
}

// Do implements Step.
func (s *FingerprintDatabase) Do(ctx context.Context, t *Target) error {
	f, err := s.read(ctx, t)
	if err != nil {
		return err
	}
	for name, table := range f.Tables {
		if table.Missing != "" {
			t.Note("warning", fmt.Sprintf("rows of %s could not be fingerprinted: %s", name, table.Missing))
		}
	}
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return t.Point.Write(FingerprintFile(s.Server, s.Database), data)
}

// Undo implements Step. A difference is ErrDiffers.
func (s *FingerprintDatabase) Undo(ctx context.Context, t *Target) error {
	data, err := t.Point.Read(FingerprintFile(s.Server, s.Database))
	if errors.Is(err, fs.ErrNotExist) {
		if !t.Started("open-database") && !t.Started("load-database") {
			return nil // cut off before the fingerprint was taken: the database was closed all the time
		}
		t.Prove(promotion.ProofItem{Area: "rows", Name: s.Database, Want: "unknown", Got: "unknown", Reason: "its fingerprint is missing from the restore point"})
		return fmt.Errorf("database %s cannot be proved: its fingerprint is missing from the restore point: %w", s.Database, ErrDiffers)
	}
	if err != nil {
		return err
	}
	var want Fingerprint
	if err := json.Unmarshal(data, &want); err != nil {
		return err
	}
	got, err := s.read(ctx, t)
	if err != nil {
		return err
	}
	if _, err := t.Point.Read(loadedFile(s.Server, s.Database)); err == nil {
		want, got = leaveDerived(want, got)
	}
	items := Compare(s.Database, want, got)
	t.Prove(items...)
	var reasons []string
	for _, item := range items {
		if !item.Equal {
			reasons = append(reasons, item.Area+": "+item.Reason)
		}
	}
	if len(reasons) > 0 {
		return fmt.Errorf("database %s %w: %s", s.Database, ErrDiffers, strings.Join(reasons, "; "))
	}
	return nil
}

// loadedFile is where the restore point says that a database came back from a dump and not from a copy.
func loadedFile(server, database string) string {
	return path.Join("loaded", digest(server+"\x00"+database))
}

// leaveDerived takes the materialized views that differ out of a comparison, by name: a stale one is fresh after a restore.
func leaveDerived(want, got Fingerprint) (then, now Fingerprint) {
	then, now = want, got
	then.Tables, now.Tables = maps.Clone(want.Tables), maps.Clone(got.Tables)
	for name, g := range got.Tables {
		w, there := want.Tables[name]
		if !there || !g.Derived || w.Missing != "" || g.Missing != "" || w.Rows == g.Rows && w.Hash == g.Hash {
			continue
		}
		why := Table{Missing: "a materialized view, which the restore made anew from its tables"}
		then.Tables[name], now.Tables[name] = why, why
	}
	return then, now
}

func (s *FingerprintDatabase) read(ctx context.Context, t *Target) (Fingerprint, error) {
	db, err := t.Databases(s.Server)
	if err != nil {
		return Fingerprint{}, err
	}
	return db.Fingerprint(ctx, s.Database, func(done, total int64) { t.Progress(done, total, "tables", "") })
}

// Unchanged compares a database with its fingerprint in the restore point and reports the schema's and the rows' equality.
// A table that could not be read may have changed.
func Unchanged(want, got Fingerprint) (schema, rows bool) {
	items := Compare("", want, got)
	return items[0].Equal, items[1].Equal && items[1].Reason == ""
}
