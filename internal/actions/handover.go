package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// HandOver gives a file, or a folder with all in it, to the owner of the folder that it lies in. An action's container runs
// as root, and what it leaves in the runner's folders has to be read and removed by later steps, which do not. A path that
// does not exist is nothing to hand over; symbolic links are not followed.
func HandOver(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("actions: %w", err)
	}
	parent, err := os.Stat(filepath.Dir(abs))
	if err != nil {
		return nil
	}
	owner, ok := parent.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	err = filepath.WalkDir(abs, func(name string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return os.Lchown(name, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		return fmt.Errorf("actions: %w", err)
	}
	return nil
}
