package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/org/promote-action/internal/durable"
)

// lockPartial makes the temporary folder of the backup at dir and locks it, after removing what a killed predecessor left there.
// The lock tells a folder that is being written from one whose writer is gone.
func lockPartial(dir string) (*durable.Lock, error) {
	partial := dir + partialSuffix
	for range 10 {
		if err := removeAbandoned(partial); err != nil {
			return nil, err
		}
		err := os.Mkdir(partial, 0o700)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		l, err := durable.TryLockDir(partial)
		switch {
		case errors.Is(err, durable.ErrUnsupported):
			return nil, nil
		case errors.Is(err, durable.ErrLocked), errors.Is(err, os.ErrNotExist):
			continue // someone sweeps and looks at it
		case err != nil:
			return nil, err
		}
		if l.Holds(partial) {
			return l, nil
		}
		_ = l.Close()
	}
	return nil, fmt.Errorf("%s: %w", partial, ErrBusy)
}

// removeAbandoned removes a temporary folder that nobody writes. One that is locked, or of which that cannot be known, is ErrBusy;
// one that is not there is no error.
func removeAbandoned(partial string) error {
	info, err := os.Lstat(partial)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is in the way: remove it", partial)
	}
	l, err := durable.TryLockDir(partial)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case errors.Is(err, durable.ErrLocked):
		return fmt.Errorf("%s: %w", partial, ErrBusy)
	case errors.Is(err, durable.ErrUnsupported):
		return fmt.Errorf("%s: %w, or left by one that was killed: remove it when none runs", partial, ErrBusy)
	case err != nil:
		return err
	}
	defer l.Close()
	return os.RemoveAll(partial)
}

// sweep removes the temporary folders of killed predecessors below parent, and nothing else. It says nothing of those that are busy.
func sweep(parent string) error {
	names, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		name, ok := strings.CutSuffix(n.Name(), partialSuffix)
		if !ok || !n.IsDir() || !namePattern.MatchString(name) {
			continue
		}
		if err := removeAbandoned(filepath.Join(parent, n.Name())); err != nil && !errors.Is(err, ErrBusy) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
