package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxProblems is how many problems of one backup are worth naming.
const maxProblems = 20

// inspect compares the folder with its manifest, by size or also by content, and returns every difference.
func inspect(ctx context.Context, dir string, m *Manifest, content bool) []error {
	missing := map[string]File{}
	for _, f := range m.Files {
		missing[f.Path] = f
	}
	dirs := folders(m.Files)
	var problems []error
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		if err != nil || rel == "." {
			return err
		}
		name := filepath.ToSlash(rel)
		file, listed := missing[name]
		switch {
		case d.IsDir() && dirs[name], name == manifestName, name == checksumName:
			return nil
		case !listed:
			problems = append(problems, &Damage{name, describe(d.Type()), "nothing of that name"})
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		delete(missing, name)
		problem := compare(ctx, at, file, content)
		var damage *Damage
		if problem != nil && !errors.As(problem, &damage) {
			return problem
		}
		if problem != nil {
			problems = append(problems, problem)
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		problems = append(problems, err)
	}
	for _, f := range m.Files {
		if _, ok := missing[f.Path]; ok && err == nil {
			problems = append(problems, &Damage{f.Path, "nothing", fmt.Sprintf("%d bytes", f.Size)})
		}
	}
	return problems
}

// compare checks one stored file.
func compare(ctx context.Context, at string, want File, content bool) error {
	info, err := os.Lstat(at)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &Damage{want.Path, describe(info.Mode()), "a file"}
	}
	if info.Size() != want.Size {
		return &Damage{want.Path, fmt.Sprintf("%d bytes", info.Size()), fmt.Sprintf("%d", want.Size)}
	}
	if !content {
		return nil
	}
	f, _, err := openRegular(at)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, n, err := sumOf(&ctxReader{ctx, f})
	switch {
	case err != nil:
		return err
	case n != want.Size:
		return &Damage{want.Path, fmt.Sprintf("%d bytes", n), fmt.Sprintf("%d", want.Size)}
	case sum != want.SHA256:
		return &Damage{want.Path, "sha256 " + sum, want.SHA256}
	}
	return nil
}

// joined is all problems as one error, shortened when there are many.
func joined(problems []error) error {
	if more := len(problems) - maxProblems; more > 0 {
		problems = append(problems[:maxProblems:maxProblems], fmt.Errorf("%w: and %d problems more", ErrDamaged, more))
	}
	return errors.Join(problems...)
}
