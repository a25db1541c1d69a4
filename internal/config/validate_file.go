package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// file checks that a path names a file, when files are looked for.
func (v *validator) file(key, path string) {
	if v.failed(key) {
		return
	}
	if path == "" {
		v.bad(key, "write the path of a file, or remove the item", "the path is empty")
		return
	}
	if !v.files || isFile(v.cfg.abs(path)) {
		return
	}
	if info, err := os.Stat(v.cfg.abs(path)); err == nil && info.IsDir() {
		v.bad(key, "name a file in it", "%s is a folder", v.doc.shown(key))
		return
	}
	v.bad(key, v.whereabouts(key, path), "the file %s does not exist", v.doc.shown(key))
}

// folder checks that a path names a folder; one that is made later may be missing.
func (v *validator) folder(key, path string, later bool) {
	info, err := os.Stat(v.cfg.abs(path))
	switch {
	case v.failed(key), err == nil && info.IsDir(), later && os.IsNotExist(err):
	case err == nil:
		v.bad(key, "name a folder", "%s is not a folder", v.doc.shown(key))
	default:
		v.bad(key, v.whereabouts(key, path), "the folder %s does not exist", v.doc.shown(key))
	}
}

// whereabouts hints at a similar name in the same folder, and at where relative paths start. It says nothing about a
// path that holds the value of a ${VAR}.
func (v *validator) whereabouts(key, path string) string {
	const start = "relative paths start from the repository root where the configuration is in .github, else from its own folder"
	if strings.Contains(v.doc.marks[key].text, "${") {
		return start
	}
	entries, err := os.ReadDir(filepath.Dir(v.cfg.abs(path)))
	if err != nil {
		return start
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	if like := nearest(filepath.Base(path), names); like != "" {
		return "did you mean " + filepath.Join(filepath.Dir(path), like) + "? " + start
	}
	return start
}
