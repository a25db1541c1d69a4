package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
)

// oneDocument wants exactly one JSON document in out, with the schema that args name.
func oneDocument(out string, args []string) error {
	d := json.NewDecoder(strings.NewReader(out))
	var doc struct {
		Schema string `json:"schema"`
	}
	if err := d.Decode(&doc); err != nil {
		return fmt.Errorf("standard output is not JSON: %w: %q", err, out)
	}
	if err := d.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than one document on standard output: %q", out)
	}
	if len(args) > 0 && doc.Schema != args[0] {
		return fmt.Errorf("schema %q, want %q", doc.Schema, args[0])
	}
	return nil
}

// quiet is an app whose output goes nowhere.
func quiet(t *testing.T) *app {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = null.Close() })
	return &app{process: Process{Args: []string{"promote"}, Stdout: null, Stderr: null}}
}

func TestEveryErrorHasItsExitCode(t *testing.T) {
	known := func(o promotion.Outcome) error { return &driver.Error{Outcome: o, Message: "x"} }
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"none", nil, 0},
		{"told", &ExitError{4}, 4},
		{"told, wrapped", fmt.Errorf("x: %w", &ExitError{5}), 5},
		{"unknown", errors.New("x"), 1},
		{"without an outcome", &driver.Error{Message: "x"}, 1},
		{"usage", &usageError{"x", ""}, 2},
		{"problems", config.Problems{{Message: "x"}}, 2},
		{"no configuration", &config.NotFoundError{}, 2},
		{"unknown environment", &config.UnknownNameError{}, 2},
		{"unknown services", errors.Join(&config.UnknownNameError{}, &config.UnknownNameError{}), 2},
		{"itself", &config.SameEnvironmentError{}, 2},
		{"no Compose file", &config.NoComposeError{}, 2},
		{"bad Compose file", &config.ComposeError{}, 2},
		{"format", &report.FormatError{}, 2},
		{"usage within an outcome", &driver.Error{Outcome: promotion.Refused, Err: &config.UnknownNameError{}}, 2},
		{"refused", known(promotion.Refused), 3},
		{"cancelled", known(promotion.Canceled), 3},
		{"interrupted", fmt.Errorf("x: %w", context.Canceled), 3},
		{"rolled back", known(promotion.RolledBack), 4},
		{"not rolled back", known(promotion.RollbackFailed), 5},
		{"locked", known(promotion.Locked), 6},
		{"inconclusive", known(promotion.Inconclusive), 7},
	} {
		if got := quiet(t).code(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

// capture runs code with a standard output and a standard error that can be read.
func capture(t *testing.T, format string, f func(a *app)) (stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	files := make([]*os.File, 2)
	for i := range files {
		file, err := os.Create(fmt.Sprintf("%s/%d", dir, i))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	a := &app{process: Process{Args: []string{"promote"}, Stdout: files[0], Stderr: files[1]}, format: format}
	a.secrets.Add("hunter22")
	f(a)
	var out [2][]byte
	for i, file := range files {
		data, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		out[i] = data
	}
	return string(out[0]), string(out[1])
}

func TestAnErrorAsJSONIsOneDocumentWithoutSecrets(t *testing.T) {
	stdout, stderr := capture(t, "json", func(a *app) {
		a.code(&driver.Error{Outcome: promotion.Refused, Message: "password hunter22 refused", Advice: "not hunter22"})
	})
	if err := oneDocument(stdout, []string{"promote.error/1"}); err != nil {
		t.Error(err)
	}
	if !strings.Contains(stdout, `"exit_code": 3`) {
		t.Errorf("no exit code in %s", stdout)
	}
	for _, s := range []string{stdout, stderr} {
		if strings.Contains(s, "hunter22") || !strings.Contains(s, "refused") {
			t.Errorf("a secret, or no error: %q", s)
		}
	}
	stdout, _ = capture(t, "json", func(a *app) {
		if err := a.document(versionDocument{Schema: "promote.version/1"}, ""); err != nil {
			t.Error(err)
		}
		a.code(errors.New("x"))
	})
	if err := oneDocument(stdout, []string{"promote.version/1"}); err != nil {
		t.Error(err)
	}
}

func TestLossesAreATableAndARefusal(t *testing.T) {
	refusal := &agent.Error{Message: "would lose rows", Hint: "add --discard-writes", Losses: []agent.Loss{
		{Database: "shop", Table: "public.orders", Added: 12, Changed: 3}, {Database: "shop", Table: "public.notes", Note: "not compared: no right to read"},
	}}
	res := promotion.Result{Schema: report.ResultSchema, Command: "rollback", To: "staging", Outcome: promotion.Refused}
	stdout, stderr := capture(t, "text", func(a *app) {
		var exit *ExitError
		if err := a.losses(res, refusal); !errors.As(err, &exit) || exit.Code != 3 {
			t.Errorf("error %v, want exit code 3", err)
		}
	})
	for _, want := range []string{"public.orders", "12", "not compared: no right to read"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "hint: add --discard-writes") {
		t.Errorf("no hint in\n%s", stderr)
	}
	stdout, _ = capture(t, "json", func(a *app) { _ = a.losses(res, refusal) })
	if err := oneDocument(stdout, []string{"promote.result/1"}); err != nil {
		t.Error(err)
	}
	if !strings.Contains(stdout, `"added": 12`) {
		t.Errorf("no losses in %s", stdout)
	}
}

func TestMomentsOfSince(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, tt := range []struct {
		text string
		want time.Time
		bad  bool
	}{
		{"", time.Time{}, false},
		{"10m", now.Add(-10 * time.Minute), false},
		{"2026-03-01", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), false},
		{"2026-03-01T02:03:04Z", time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC), false},
		{"-10m", time.Time{}, true},
		{"yesterday", time.Time{}, true},
	} {
		got, err := moment(tt.text, now)
		if !got.Equal(tt.want) || (err != nil) != tt.bad {
			t.Errorf("%q: %v, %v", tt.text, got, err)
		}
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	root := quiet(t).root()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.Hidden || sub.Name() == "completion" || sub.Name() == "help" {
				continue
			}
			var help bytes.Buffer
			sub.SetOut(&help)
			if err := sub.Help(); err != nil {
				t.Error(err)
			}
			if sub.Short == "" || sub.Example == "" || !strings.Contains(help.String(), "promote "+sub.Name()) {
				t.Errorf("%s: no description or no example", sub.CommandPath())
			}
			walk(sub)
		}
	}
	walk(root)
}
