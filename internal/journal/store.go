package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/org/promote-action/internal/durable"
	"github.com/org/promote-action/internal/promotion"
)

// StoreVersion is the layout of the state volume that this program writes.
const StoreVersion = 1

const storeMagic = "promote-state/"

// ErrLocked is returned when another process works on the state volume.
var ErrLocked = durable.ErrLocked

// ErrNotWritable is returned when nothing can be written to the state volume.
var ErrNotWritable = errors.New("is not writable")

// ErrUnknown is returned for a promotion that the state volume does not hold.
var ErrUnknown = errors.New("unknown promotion")

// Store is the state volume of one target:
//
//	format                       layout version
//	lock                         held by the process that changes something
//	holds.json                   releases that must not be promoted again unasked
//	promotions/ID/plan.json      and number, journal, events.jsonl, result.json
//	promotions/ID/restore/       the restore point
//
// Files have permissions 0600 and folders 0700: the restore points hold the target's configuration. Whoever changes something
// holds Lock; reading needs no lock.
type Store struct {
	dir   string
	holds sync.Mutex
}

// OpenStore opens the state volume mounted at dir and lays it out when it is empty. A layout of a newer version is ErrNewer.
func OpenStore(dir string) (*Store, error) {
	s := &Store{dir: dir}
	format := filepath.Join(dir, "format")
	text, err := os.ReadFile(format)
	switch {
	case err == nil:
		if err := checkFormat(string(text)); err != nil {
			return nil, fmt.Errorf("state volume: %s: %w", format, err)
		}
	case errors.Is(err, os.ErrNotExist):
		if err := s.layOut(format); err != nil {
			return nil, s.notWritable(err)
		}
	default:
		return nil, fmt.Errorf("state volume: %w", err)
	}
	return s, nil
}

func (s *Store) layOut(format string) error {
	if err := durable.Mkdir(filepath.Join(s.dir, "promotions")); err != nil {
		return err
	}
	return durable.WriteFile(format, []byte(storeMagic+strconv.Itoa(StoreVersion)+"\n"), 0o600)
}

func checkFormat(text string) error {
	digits, ok := strings.CutPrefix(strings.TrimSuffix(text, "\n"), storeMagic)
	version, err := strconv.Atoi(digits)
	switch {
	case !ok || err != nil || version < 1:
		return fmt.Errorf("found %.40q, expected %q: is this the state volume of promote?", text, storeMagic+strconv.Itoa(StoreVersion))
	case version > StoreVersion:
		return fmt.Errorf("layout %d, this version reads up to %d: %w", version, StoreVersion, ErrNewer)
	}
	return nil
}

// Dir is the folder of the state volume.
func (s *Store) Dir() string { return s.dir }

// Lock takes the right to change the state volume, without waiting: ErrLocked when another process has it. It then removes what
// a killed holder left half-written.
func (s *Store) Lock() (*durable.Lock, error) {
	l, err := durable.TryLock(filepath.Join(s.dir, "lock"))
	if errors.Is(err, syscall.EROFS) {
		return nil, s.notWritable(err)
	}
	if err != nil {
		return nil, fmt.Errorf("state volume: %w", err)
	}
	if err := s.sweep(); err != nil {
		return nil, errors.Join(fmt.Errorf("state volume: %w", err), l.Close())
	}
	return l, nil
}

// sweep removes temporary files, and promotions whose removal was cut.
func (s *Store) sweep() error {
	var errs []error
	for _, pattern := range []string{".*.tmp-*", "promotions/" + removing + "*", "promotions/*/.*.tmp-*"} {
		left, err := filepath.Glob(filepath.Join(globEscape(s.dir), pattern))
		if err != nil {
			return err
		}
		for _, path := range left {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Writable writes and removes a small file, and says in words why it could not.
func (s *Store) Writable() error {
	f, err := os.CreateTemp(s.dir, ".probe.tmp-*")
	if err != nil {
		return s.notWritable(err)
	}
	_, err = f.Write(make([]byte, 4096))
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if removed := os.Remove(f.Name()); err == nil {
		err = removed
	}
	if err != nil {
		return s.notWritable(err)
	}
	return nil
}

func (s *Store) notWritable(err error) error {
	reason := err
	var path *os.PathError
	if errors.As(err, &path) {
		reason = path.Err
	}
	hint := "the agent needs it mounted read-write, owned by its own user"
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		hint = "free space on the engine's host: docker system df shows what takes it"
	}
	return fmt.Errorf("state volume %s %w: %w: %s", s.dir, ErrNotWritable, reason, hint)
}

// Entry is one promotion of the state volume.
type Entry struct {
	ID    string
	State State
	Err   error // why its journal cannot be read; State is then empty
}

// Unfinished reports whether the promotion began and is not over, or whether that cannot be known.
func (e Entry) Unfinished() bool { return e.Err != nil || e.State.Unfinished() }

// List returns all promotions, the one that the target took up last first. One that has a plan and no journal has not begun.
func (s *Store) List() ([]Entry, error) {
	folders, err := s.folders()
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for _, f := range folders {
		e := Entry{ID: f.ID}
		replay, err := Read(f.Journal())
		switch {
		case err == nil:
			e.State = replay.State()
		case !errors.Is(err, os.ErrNotExist):
			e.Err = err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// folders are those of all promotions, in the order of List. Those from before there were numbers are the oldest, by their ids.
func (s *Store) folders() ([]Folder, error) {
	names, err := os.ReadDir(filepath.Join(s.dir, "promotions"))
	if err != nil {
		return nil, fmt.Errorf("state volume: %w", err)
	}
	var folders []Folder
	numbers := map[string]int{}
	for _, n := range names {
		if n.IsDir() && promotion.ValidID(n.Name()) {
			f := s.at(n.Name())
			folders, numbers[f.ID] = append(folders, f), f.number()
		}
	}
	slices.SortFunc(folders, func(a, b Folder) int {
		return cmp.Or(cmp.Compare(numbers[b.ID], numbers[a.ID]), strings.Compare(b.ID, a.ID))
	})
	return folders, nil
}

// Empty reports whether there is nothing that anybody could want to know again: no promotion was ever begun, no release is on hold.
func (s *Store) Empty() (bool, error) {
	names, err := os.ReadDir(filepath.Join(s.dir, "promotions"))
	if err != nil {
		return false, fmt.Errorf("state volume: %w", err)
	}
	holds, err := s.Holds()
	return len(names) == 0 && len(holds) == 0, err
}

// Unfinished returns the promotions that began and are not over, newest first, with those whose journal cannot be read.
func (s *Store) Unfinished() ([]Entry, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(e Entry) bool { return !e.Unfinished() }), nil
}
