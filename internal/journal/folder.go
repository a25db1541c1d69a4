package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/durable"
	"github.com/org/promote-action/internal/promotion"
)

const removing = ".removing-"

// Folder is the part of the state volume that belongs to one promotion.
type Folder struct {
	ID  string
	Dir string
}

// Plan is the path of the plan.
func (f Folder) Plan() string { return filepath.Join(f.Dir, "plan.json") }

// Journal is the path of the journal.
func (f Folder) Journal() string { return filepath.Join(f.Dir, "journal") }

// Events is the path of the events, one JSON object a line.
func (f Folder) Events() string { return filepath.Join(f.Dir, "events.jsonl") }

// Result is the path of the result.
func (f Folder) Result() string { return filepath.Join(f.Dir, "result.json") }

// Damaged is the path of a journal that could not be read, once somebody has closed the promotion all the same.
func (f Folder) Damaged() string { return filepath.Join(f.Dir, "journal.damaged") }

// SetAside keeps a journal that cannot be read under another name, so that a new one can take its place.
func (f Folder) SetAside() error {
	if err := durable.Rename(f.Journal(), f.Damaged()); err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	return nil
}

// Restore is the folder of the restore point.
func (f Folder) Restore() string { return filepath.Join(f.Dir, "restore") }

// WritePlan replaces the plan.
func (f Folder) WritePlan(data []byte) error { return f.write(f.Plan(), data) }

// WriteResult replaces the result.
func (f Folder) WriteResult(data []byte) error { return f.write(f.Result(), data) }

func (f Folder) write(path string, data []byte) error {
	if err := durable.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	return nil
}

func (s *Store) at(id string) Folder {
	return Folder{ID: id, Dir: filepath.Join(s.dir, "promotions", id)}
}

// Folder returns the folder of a promotion that exists; ErrUnknown when it does not.
func (s *Store) Folder(id string) (Folder, error) {
	if !promotion.ValidID(id) {
		return Folder{}, fmt.Errorf("%w: %q: an id looks like 20260131-235959-17", ErrUnknown, id)
	}
	f := s.at(id)
	info, err := os.Lstat(f.Dir)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && !info.IsDir():
		return Folder{}, fmt.Errorf("%w: %s", ErrUnknown, id)
	case err != nil:
		return Folder{}, fmt.Errorf("state volume: %w", err)
	}
	return f, nil
}

// number says in which order the target took promotions up: ids are named after the clocks of their callers.
func (f Folder) number() int {
	text, err := os.ReadFile(filepath.Join(f.Dir, numberFile))
	if err != nil {
		return 0 // of the time before there were numbers
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return n
}

const numberFile = "number"

// Create makes the folder of a new promotion, which is then the newest one; it is an error (os.ErrExist) when there is one already.
func (s *Store) Create(id string) (Folder, error) {
	if !promotion.ValidID(id) {
		return Folder{}, fmt.Errorf("state volume: %q is not a promotion's id: one looks like 20260131-235959-17", id)
	}
	f := s.at(id)
	folders, err := s.folders()
	if err != nil {
		return Folder{}, err
	}
	number := 1
	for _, other := range folders {
		number = max(number, other.number()+1)
	}
	if err := os.Mkdir(f.Dir, 0o700); err != nil {
		return Folder{}, fmt.Errorf("state volume: %w", err)
	}
	if err := f.write(filepath.Join(f.Dir, numberFile), []byte(strconv.Itoa(number)+"\n")); err != nil {
		return Folder{}, err
	}
	if err := durable.Mkdir(f.Restore()); err != nil {
		return Folder{}, fmt.Errorf("state volume: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(f.Dir)); err != nil {
		return Folder{}, fmt.Errorf("state volume: %w", err)
	}
	return f, nil
}

// Remove deletes a promotion with its restore point. It is gone from the list at once, also when the deletion is cut.
func (s *Store) Remove(id string) error {
	f, err := s.Folder(id)
	if err != nil {
		return err
	}
	away := filepath.Join(filepath.Dir(f.Dir), removing+id)
	if err := os.RemoveAll(away); err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	if err := durable.Rename(f.Dir, away); err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	if err := os.RemoveAll(away); err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	return nil
}
