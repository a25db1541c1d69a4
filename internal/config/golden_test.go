package config

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the code makes into the golden files")

// unpack writes the files of an archive into a fresh folder. The sections env, want and want.json are not files.
func unpack(t *testing.T, archive *txtar.Archive) (dir string, env Lookup) {
	t.Helper()
	dir = t.TempDir()
	values := map[string]string{}
	for _, file := range archive.Files {
		switch file.Name {
		case "want", "want.json":
			continue
		case "env":
			for line := range strings.Lines(string(file.Data)) {
				name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
				values[name] = value
			}
			continue
		}
		path := filepath.Join(dir, file.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file.Name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

// section returns a file of an archive.
func section(archive *txtar.Archive, name string) (string, bool) {
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		return "", false
	}
	return string(archive.Files[i].Data), true
}

// golden compares a section of an archive with what the code made, or writes it there with -update.
func golden(t *testing.T, path string, archive *txtar.Archive, name, got string) {
	t.Helper()
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	want, found := section(archive, name)
	if *update {
		data := txtar.File{Name: name, Data: []byte(got)}
		if i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name }); i >= 0 {
			archive.Files[i] = data
		} else {
			archive.Files = append(archive.Files, data)
		}
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !found {
		t.Fatalf("%s has no section %s: run the test with -update and look at it", path, name)
	}
	if got != want {
		t.Errorf("%s: section %s differs\n--- want\n%s\n--- got\n%s", path, name, want, got)
	}
}

func archives(t *testing.T, pattern string, run func(t *testing.T, path string, archive *txtar.Archive)) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no test cases at %s: %v", pattern, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			run(t, path, archive)
		})
	}
}

// TestValidate runs each testdata/validate/*.txtar: a tree of files with one configuration, the variables in env, and
// in want the problems as they are shown. A case without problems also pins the decoded values in want.json.
func TestValidate(t *testing.T) {
	archives(t, "testdata/validate/*.txtar", func(t *testing.T, path string, archive *txtar.Archive) {
		dir, env := unpack(t, archive)
		t.Chdir(dir)
		name := DefaultPath
		if _, found := section(archive, name); !found {
			name = "promote.yml"
		}
		cfg, err := Validate(name, env)
		if err == nil {
			golden(t, original(path), archive, "want", "valid\n")
			text, err := json.MarshalIndent(cfg, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, original(path), archive, "want.json", strings.ReplaceAll(string(text), resolved(t, dir), "ROOT"))
			return
		}
		var problems Problems
		if !errors.As(err, &problems) {
			golden(t, original(path), archive, "want", err.Error())
			return
		}
		golden(t, original(path), archive, "want", problems.Text())
		for _, p := range problems {
			if p.Line > 0 && p.Source != "" && p.Column > len([]rune(p.Source))+1 && !strings.Contains(p.Source, hidden) {
				t.Errorf("column %d is outside its line %q", p.Column, p.Source)
			}
		}
	})
}

// TestInit runs each testdata/init/*.txtar: a tree of files, and in want what promote init writes for it or the error.
func TestInit(t *testing.T) {
	archives(t, "testdata/init/*.txtar", func(t *testing.T, path string, archive *txtar.Archive) {
		parent, env := unpack(t, archive)
		dir := filepath.Join(parent, "Shop App")
		text, err := Init(dir)
		if err != nil {
			var hint interface{ Hint() string }
			if !errors.As(err, &hint) {
				t.Fatalf("an error without a hint: %v", err)
			}
			golden(t, original(path), archive, "want", "error: "+strings.ReplaceAll(err.Error(), parent, "DIR")+"\nhint: "+hint.Hint())
			return
		}
		golden(t, original(path), archive, "want", string(text))
		file := filepath.Join(dir, DefaultPath)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, err := Validate(file, env)
		if err != nil {
			t.Fatalf("the written configuration is not valid: %v", err)
		}
		if _, _, err := cfg.Pair("development", "staging"); err != nil {
			t.Error(err)
		}
		validateSchema(t, text)
	})
}

// startDir is the package folder.
var startDir, _ = os.Getwd()

// original is the path of a test case from anywhere: a test may have changed the working directory.
func original(path string) string { return filepath.Join(startDir, path) }

func resolved(t *testing.T, dir string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
