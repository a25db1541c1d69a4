package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// canary is the value of every variable in the fuzz tests.
const canary = "c4nary-v4lue"

// FuzzLoad feeds any text to Validate: it must not panic, every problem must have a place in the file, and no value of
// a variable may show in what is printed.
func FuzzLoad(f *testing.F) {
	paths, _ := filepath.Glob("testdata/validate/*.txtar")
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range []string{DefaultPath, "promote.yml"} {
			if text, found := section(archive, name); found {
				f.Add(text)
			}
		}
	}
	f.Add("a: &a [*a, *a]\nenvironments: *a\n")
	f.Add("environments: &a {b: *a, <<: *a}\n")
	f.Add("environments: !!map {? [a] : b}\n")
	f.Add("\ufeffenvironments:\r\n  a: {compose: {project: \"${A}\", files: ['${B}']}}\r\n")
	f.Add(strings.Repeat("[", 2000))
	f.Add(strings.Repeat("- ", 2000))
	f.Add("&a [&b [*a]]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, canary) {
			t.Skip()
		}
		path := filepath.Join(dir, "promote.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Validate(path, func(name string) (string, bool) {
			switch name {
			case "MAX_STARTUP_WAIT", "HEALTH_CHECK_TIMEOUT", "PROMOTION_LOG", "BACKUP_DIR": // not secret, and shown
				return "", false
			}
			return canary, true
		})
		var problems Problems
		switch {
		case err == nil:
			for _, name := range cfg.EnvironmentNames() {
				if _, err := cfg.Environment(name); err != nil {
					t.Fatal(err)
				}
				_ = cfg.CheckServices(name, nil)
				_ = cfg.ChecksFor(name, OnTest)
			}
		case !errors.As(err, &problems):
			if len(text) <= maxSize {
				t.Fatalf("not a problem of the file: %v", err)
			}
		default:
			if strings.Contains(problems.Text()+problems.Error(), canary) {
				t.Fatalf("a value is shown:\n%s", problems.Text())
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.Message == "" {
					t.Fatalf("a problem without a place: %+v", p)
				}
			}
		}
	})
}

// FuzzExpand holds expand to its promise: a text without ${ is returned as it is, and no value is in a message.
func FuzzExpand(f *testing.F) {
	for _, text := range []string{"", "$", "${A}", "$${A}", "${A:-${B}}", "${", "}", "${A:-}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, bad := expand(text, func(string) (string, bool) { return canary, true })
		if !strings.Contains(text, "${") && (got != text || len(bad) > 0) {
			t.Fatalf("%q became %q", text, got)
		}
		for _, b := range bad {
			if strings.Contains(b.message+b.hint, canary) && !strings.Contains(text, canary) {
				t.Fatalf("%q: a value is shown: %s", text, b.message)
			}
		}
	})
}

// FuzzInit feeds any text as the Compose file to Init: what it writes must always be valid.
func FuzzInit(f *testing.F) {
	f.Add("services: {db: {image: postgres}}", "name: x")
	f.Add("services:\n  'a\n\n  # b': {image: postgres, environment: ['POSTGRES_DB=a\"\\${X}']}\n", "services: {\"a\": null}")
	f.Add("services: {\"\": {image: postgres}, \"~\": {image: postgres}}", "")
	f.Fuzz(func(t *testing.T, base, overlay string) {
		dir := t.TempDir()
		for name, text := range map[string]string{"compose.yml": base, "compose.staging.yml": overlay} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Init(dir)
		var broken *ComposeError
		if err != nil && !errors.As(err, &broken) {
			t.Fatal(err)
		}
	})
}
