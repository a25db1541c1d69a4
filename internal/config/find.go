package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// DefaultPath is where the configuration is looked for in each folder.
const DefaultPath = ".github/promote.yml"

// NotFoundError means that there is no configuration.
type NotFoundError struct {
	Named string // the file that was asked for; empty when it was searched for
	From  string // the folder where the search began
}

func (e *NotFoundError) Error() string {
	if e.Named != "" {
		return fmt.Sprintf("config: %s does not exist", e.Named)
	}
	return fmt.Sprintf("config: no %s in %s or in any folder above it", DefaultPath, e.From)
}

// Hint says what to do next.
func (e *NotFoundError) Hint() string {
	return "write one with: promote init, or name another file with: --config FILE"
}

// Find returns the path of the configuration that holds for dir: the nearest .github/promote.yml in dir or above. The
// path is relative when dir is. The error is a *NotFoundError when there is none.
func Find(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	for here, shown := abs, dir; ; here, shown = filepath.Dir(here), filepath.Join(shown, "..") {
		if info, err := os.Stat(filepath.Join(here, DefaultPath)); err == nil && info.Mode().IsRegular() {
			if filepath.IsAbs(dir) {
				return filepath.Join(here, DefaultPath), nil
			}
			return filepath.Join(shown, DefaultPath), nil
		}
		if here == filepath.Dir(here) {
			return "", &NotFoundError{From: abs}
		}
	}
}
