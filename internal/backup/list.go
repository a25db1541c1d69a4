package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Entry is one backup of a folder of backups.
type Entry struct {
	Name     string
	Path     string
	Manifest *Manifest // nil when it cannot be read
	Size     int64     // bytes, as the manifest says
	Err      error     // why it is no good; its content is not read for that, see Verify
}

// Time is when the backup was taken, by its manifest or else by its name; zero when neither says.
func (e Entry) Time() time.Time {
	if e.Manifest != nil {
		return e.Manifest.TakenAt
	}
	if !namePattern.MatchString(e.Name) {
		return time.Time{}
	}
	at, err := time.Parse(stamp, e.Name[len(e.Name)-len(stamp):])
	if err != nil {
		return time.Time{}
	}
	return at
}

// List returns the backups in parent, newest first: what has a manifest or the name of a backup, also when it is damaged. Other
// folders, and backups that are being written, are not listed. A parent that does not exist has no backups.
func List(parent string) ([]Entry, error) {
	names, err := os.ReadDir(parent)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	var entries []Entry
	for _, n := range names {
		if !n.IsDir() || strings.HasSuffix(n.Name(), partialSuffix) {
			continue
		}
		e := look(filepath.Join(parent, n.Name()))
		if errors.Is(e.Err, ErrNotBackup) && !namePattern.MatchString(e.Name) {
			continue
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if c := b.Time().Compare(a.Time()); c != 0 {
			return c
		}
		return strings.Compare(b.Name, a.Name)
	})
	return entries, nil
}

// look opens a backup and compares names and sizes.
func look(dir string) Entry {
	e := Entry{Name: filepath.Base(dir), Path: dir}
	b, err := Open(dir)
	if err != nil {
		e.Err = err
		return e
	}
	e.Manifest, e.Size = b.Manifest, b.Manifest.Size()
	e.Err = joined(inspect(context.Background(), dir, b.stored, false))
	return e
}
