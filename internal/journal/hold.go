package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/org/promote-action/internal/durable"
)

// Hold says why a release is not to be promoted again unasked.
type Hold struct {
	Promotion string    `json:"promotion"` // the one that failed
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"`
}

// holdsFile is holds.json.
type holdsFile struct {
	Schema string          `json:"schema"`
	Holds  map[string]Hold `json:"holds"`
}

const holdsSchema = "promote.holds/1"

// Hold puts a release on hold. An earlier hold on it stays as it is: it says what was wrong first.
func (s *Store) Hold(release string, h Hold) error {
	if release == "" {
		return errors.New("state volume: hold: no release named")
	}
	return s.changeHolds(func(holds map[string]Hold) {
		if _, held := holds[release]; !held {
			holds[release] = h
		}
	})
}

// Release takes a release off hold. One that is not held is no error.
func (s *Store) Release(release string) error {
	return s.changeHolds(func(holds map[string]Hold) { delete(holds, release) })
}

// Held returns the hold on a release and whether there is one.
func (s *Store) Held(release string) (Hold, bool, error) {
	holds, err := s.Holds()
	h, ok := holds[release]
	return h, ok, err
}

// Holds returns all holds by release. When the file cannot be read nothing is known about any release: that is an error, not
// an empty list.
func (s *Store) Holds() (map[string]Hold, error) {
	s.holds.Lock()
	defer s.holds.Unlock()
	return s.readHolds()
}

func (s *Store) holdsPath() string { return filepath.Join(s.dir, "holds.json") }

func (s *Store) readHolds() (map[string]Hold, error) {
	data, err := os.ReadFile(s.holdsPath())
	if errors.Is(err, os.ErrNotExist) {
		return map[string]Hold{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state volume: %w", err)
	}
	var file holdsFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("state volume: %s: %w", s.holdsPath(), err)
	}
	if file.Schema != holdsSchema {
		return nil, fmt.Errorf("state volume: %s: schema %q, expected %q: %w", s.holdsPath(), file.Schema, holdsSchema, ErrNewer)
	}
	if file.Holds == nil {
		file.Holds = map[string]Hold{}
	}
	return file.Holds, nil
}

func (s *Store) changeHolds(change func(map[string]Hold)) error {
	s.holds.Lock()
	defer s.holds.Unlock()
	holds, err := s.readHolds()
	if err != nil {
		return err
	}
	change(holds)
	data, err := json.MarshalIndent(holdsFile{Schema: holdsSchema, Holds: holds}, "", "  ")
	if err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	if err := durable.WriteFile(s.holdsPath(), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("state volume: %w", err)
	}
	return nil
}
