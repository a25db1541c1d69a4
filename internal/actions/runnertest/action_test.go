package runnertest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/org/promote-action/internal/actions/runnertest"
	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
)

// TestAction promotes the sample system through the action's own container: a cancelled run, a promotion in two steps, and a
// release that fails.
func TestAction(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an image and promotes three times")
	}
	engine := docker(t)
	image := actionImage(t, engine)
	s := newShop(t, engine)
	step := func(t *testing.T, cancelAt string, inputs ...string) runnertest.Result {
		t.Helper()
		in := map[string]string{"command": "run"}
		for i := 0; i < len(inputs); i += 2 {
			in[inputs[i]] = inputs[i+1]
		}
		res := runnertest.Step{
			Engine: engine, Image: image, Workspace: s.Dir, Inputs: in, Declared: declared(t), Labels: map[string]string{label: mine}, CancelAt: cancelAt,
		}.Run(t)
		secretsStayHidden(t, s.Shop, res)
		if t.Failed() {
			t.Logf("log:\n%s\noutputs: %v\nsummary:\n%s", res.Raw, res.Outputs, res.Summary)
		}
		return res
	}

	t.Run("bad input touches nothing", func(t *testing.T) {
		res := step(t, "", "to", "production")
		want(t, res, 2, "invalid", "")
		if len(errorsOf(res)) != 1 || !strings.Contains(errorsOf(res)[0], "production") {
			t.Errorf("errors: %q", errorsOf(res))
		}
		s.runs(t, 1)
	})

	t.Run("cancelled while it deploys", func(t *testing.T) {
		res := step(t, "::group::deploy")
		want(t, res, 4, "rolled-back", "deploy")
		t.Logf("back %s after the signal", res.ToEnd.Round(100*time.Millisecond))
		s.runs(t, 1)
		s.unlocked(t)
	})

	t.Run("promoted in two steps", func(t *testing.T) {
		first := step(t, "", "from", "development", "to", "staging", "phase", "preflight,test")
		want(t, first, 0, "running", "test")
		s.runs(t, 1)
		second := step(t, "", "from", "development", "to", "staging", "phase", "backup,shutdown,deploy,verify", "id", first.Outputs["promotion-id"])
		want(t, second, 0, "done", "verify")
		if id := second.Outputs["promotion-id"]; id == "" || id != first.Outputs["promotion-id"] {
			t.Errorf("promotion %q went on as %q", first.Outputs["promotion-id"], id)
		}
		s.runs(t, 2)
		s.unlocked(t)
		var groups []string
		for _, c := range second.Commands {
			if c.Name == "group" {
				groups = append(groups, c.Data)
			}
		}
		if !slices.Equal(groups, []string{"backup", "shutdown", "deploy", "verify"}) {
			t.Errorf("groups %v", groups)
		}
		for _, part := range []string{"## ✅", "### Phases", "| deploy | pass |"} {
			if !strings.Contains(second.Summary, part) {
				t.Errorf("no %q in the summary:\n%s", part, second.Summary)
			}
		}
		if len(errorsOf(second)) != 0 {
			t.Errorf("errors: %q", errorsOf(second))
		}
		leftToTheRunner(t, second.Temp, "promote/*.log", "promote/*.html")
		leftToTheRunner(t, s.Dir, "staging-backup-*", "staging-backup-*/*")
	})

	t.Run("a broken release", func(t *testing.T) {
		log := demo.Log(func(format string, args ...any) { t.Logf(format, args...) })
		if err := s.Development.Up(t.Context(), composer{engine}, demo.Broken(fault.AppFailsAfterMigration), log); err != nil {
			t.Fatal(err)
		}
		before := s.images(t)
		res := step(t, "")
		want(t, res, 4, "rolled-back", "deploy")
		s.runs(t, 2)
		s.unlocked(t)
		if before["db"] != s.images(t)["db"] {
			t.Error("the database's container is another")
		}
		errs := errorsOf(res)
		if len(errs) != 1 || !strings.Contains(errs[0], "api") || !strings.Contains(errs[0], "staging is back at its restore point.") {
			t.Errorf("errors: %q", errs)
		}
		if strings.Contains(res.Summary, "✅") || !strings.Contains(res.Summary, "What failed") || !strings.Contains(res.Summary, "Proof") {
			t.Errorf("summary:\n%s", res.Summary)
		}
	})
}

// want checks what every step tells.
func want(t *testing.T, res runnertest.Result, code int, outcome, phase string) {
	t.Helper()
	if res.Code != code || res.Outputs["outcome"] != outcome || res.Outputs["phase"] != phase {
		t.Fatalf("exit code %d, outcome %q, phase %q; want %d, %q, %q\nlog:\n%s\nsummary:\n%s", res.Code, res.Outputs["outcome"], res.Outputs["phase"], code, outcome, phase, res.Raw, res.Summary)
	}
	if code != 0 && len(errorsOf(res)) != 1 {
		t.Errorf("%d errors, want one that names cause and next step: %q", len(errorsOf(res)), errorsOf(res))
	}
	if res.Summary == "" {
		t.Error("no summary")
	}
}

func errorsOf(res runnertest.Result) []string {
	var errs []string
	for _, c := range res.Commands {
		if c.Name == "error" {
			errs = append(errs, c.Data)
		}
	}
	return errs
}

// secretsStayHidden looks for the passwords of both environments where people read.
func secretsStayHidden(t *testing.T, s demo.Shop, res runnertest.Result) {
	t.Helper()
	for _, e := range []demo.Environment{s.Development, s.Staging} {
		data, err := os.ReadFile(e.EnvFile)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			password, is := strings.CutPrefix(strings.TrimSpace(line), "SHOP_DB_PASSWORD=")
			if !is {
				continue
			}
			for where, text := range map[string]string{"log": res.Shown, "summary": res.Summary} {
				if strings.Contains(text, password) {
					t.Errorf("the password of %s is in the %s", e.Name, where)
				}
			}
			for _, v := range res.Outputs {
				if strings.Contains(v, password) {
					t.Errorf("the password of %s is in an output", e.Name)
				}
			}
		}
	}
}

// leftToTheRunner fails the test unless there are files of each pattern, and they belong to the runner's user.
func leftToTheRunner(t *testing.T, dir string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Errorf("no %s, %v", pattern, err)
		}
		for _, f := range files {
			info, err := os.Lstat(f)
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; os.Geteuid() == 0 && uid != runnertest.User {
				t.Errorf("%s belongs to user %d", f, uid)
			}
		}
	}
}

// declared are the inputs of action.yml.
func declared(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Inputs map[string]any }
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range file.Inputs {
		names = append(names, name)
	}
	return names
}
