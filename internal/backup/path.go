package backup

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	partialSuffix = ".partial"
	stamp         = "20060102-150405"
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*-backup-\d{8}-\d{6}$`)

// Name is the folder name of a backup of an environment: staging-backup-20260131-235959, in UTC.
func Name(environment string, at time.Time) string {
	return environment + "-backup-" + at.UTC().Format(stamp)
}

// checkPath accepts a clean relative path with slashes that stays below the backup's folder and is not the manifest.
func checkPath(p string) error {
	switch {
	case p == "" || p == "." || path.Clean(p) != p || !filepath.IsLocal(filepath.FromSlash(p)) || strings.Contains(p, `\`):
		return fmt.Errorf("path %q: a path below the backup's folder was expected", p)
	case !utf8.ValidString(p) || strings.ContainsFunc(p, unicode.IsControl):
		return fmt.Errorf("path %q: control characters are not accepted", p)
	case p == manifestName || p == checksumName || p == originalName:
		return fmt.Errorf("path %q is reserved", p)
	}
	return nil
}

// folders returns every folder that the files' paths need, without the backup's own.
func folders(files []File) map[string]bool {
	all := map[string]bool{}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			all[dir] = true
		}
	}
	return all
}
