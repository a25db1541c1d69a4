package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/org/promote-action/internal/actions"
	"github.com/org/promote-action/internal/promotion"
)

func TestActionArguments(t *testing.T) {
	for _, c := range []struct {
		in   actions.Inputs
		want string // arguments, or the beginning of the error
	}{
		{actions.Inputs{}, "run --"},
		{actions.Inputs{"from": "development", "to": "staging", "phase": "preflight,test", "id": "20260304-050607-1", "config": "a b.yml"}, "run --config=a b.yml --from=development --to=staging --phase=preflight,test --id=20260304-050607-1 --"},
		{actions.Inputs{"phase": "Rollback", "id": "20260304-050607-1", "from": "development", "to": "staging"}, "rollback --to=staging -- 20260304-050607-1"},
		{actions.Inputs{"command": "rollback", "discard-writes": "TRUE", "id": "--to=x"}, "rollback --discard-writes=true -- --to=x"},
		{actions.Inputs{"command": "test", "environment": "development"}, "test -- development"},
		{actions.Inputs{"command": "restore", "environment": "staging", "backup": "b"}, "restore -- staging b"},
		{actions.Inputs{"command": "backups"}, "backups --"},

		{actions.Inputs{"command": "promote"}, `error: input command is "promote"`},
		{actions.Inputs{"command": "Run"}, `error: input command is "Run"`},
		{actions.Inputs{"command": "test"}, "error: command test needs input environment"},
		{actions.Inputs{"command": "test", "from": "a", "phse": "b"}, "error: input from means nothing to command test; there is no input phse; command test needs input environment"},
		{actions.Inputs{"command": "rollback", "keep-data": "yes"}, `error: input keep-data is "yes": accepted are true and false`},
		{actions.Inputs{"command": "run", "phase": "deploy", "keep-data": "true"}, "error: input keep-data means nothing to command run"},
	} {
		args, err := actionArguments(c.in)
		got := strings.Join(args, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

// TestActionFile keeps action.yml and the program in step.
func TestActionFile(t *testing.T) {
	data, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Inputs map[string]struct {
			Description, Default string
		}
		Outputs map[string]struct{ Description string }
		Runs    struct{ Using, Image string }
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	var inputs, outputs []string
	for name, input := range file.Inputs {
		inputs = append(inputs, name)
		if input.Description == "" {
			t.Errorf("input %s is not described", name)
		}
		if name != "command" && input.Default != "" {
			t.Errorf("input %s has a default: it could not be told from one that was set", name)
		}
	}
	slices.Sort(inputs)
	if !slices.Equal(inputs, actionInputs()) {
		t.Errorf("action.yml has the inputs %v, the program %v", inputs, actionInputs())
	}
	for _, c := range actionCommands() {
		if !strings.Contains(file.Inputs["command"].Description, c.name) {
			t.Errorf("the description of input command does not name %s", c.name)
		}
	}
	for name := range file.Outputs {
		outputs = append(outputs, name)
	}
	slices.Sort(outputs)
	if want := []string{"outcome", "phase", "promotion-id"}; !slices.Equal(outputs, want) {
		t.Errorf("outputs %v, want %v", outputs, want)
	}
	for code := range 8 {
		if word := outcomeWord(code); !strings.Contains(file.Outputs["outcome"].Description, word) {
			t.Errorf("the description of output outcome does not name %s", word)
		}
	}
	if file.Runs.Using != "docker" || file.Runs.Image != "Dockerfile" {
		t.Errorf("runs: %+v", file.Runs)
	}
}

// TestActionCommandsExist: each command of the action is one of the program.
func TestActionCommandsExist(t *testing.T) {
	root := (&app{}).root()
	for _, c := range actionCommands() {
		cmd, _, err := root.Find([]string{c.name})
		if err != nil || cmd == root {
			t.Errorf("there is no command %s", c.name)
			continue
		}
		for _, name := range c.options {
			if cmd.Flags().Lookup(name) == nil {
				t.Errorf("command %s has no flag --%s", c.name, name)
			}
		}
	}
}

// stepRun is what the runner got from a step.
type stepRun struct {
	code                 int
	log, output, summary string
}

// runStep runs the program in-process as the runner does, in a workspace with the given configuration.
func runStep(t *testing.T, configuration string, environ ...string) stepRun {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	if configuration != "" {
		if err := os.MkdirAll(filepath.Join(dir, ".github"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".github", "promote.yml"), []byte(configuration), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files := t.TempDir()
	environ = append(environ, // of a variable that is there twice the first holds
		"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE="+dir, "RUNNER_TEMP="+t.TempDir(), "GITHUB_OUTPUT="+filepath.Join(files, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(files, "summary"),
	)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	log := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		log <- string(data)
	}()
	run := stepRun{code: Main(Process{Args: []string{"/promote"}, Stdout: w, Stderr: w, Environ: environ})}
	w.Close()
	run.log = <-log
	output, _ := os.ReadFile(filepath.Join(files, "output"))
	summary, _ := os.ReadFile(filepath.Join(files, "summary"))
	run.output, run.summary = string(output), string(summary)
	return run
}

func (s stepRun) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if s.code != code {
		t.Errorf("exit code %d, want %d", s.code, code)
	}
	for _, p := range parts {
		where, text, _ := strings.Cut(p, ": ")
		if in := map[string]string{"log": s.log, "output": s.output, "summary": s.summary}[where]; !strings.Contains(in, text) {
			t.Errorf("no %q in the %s:\n%s", text, where, in)
		}
	}
}

func TestActionTellsOfBadInput(t *testing.T) {
	s := runStep(t, "", "INPUT_COMMAND=test", "INPUT_PHSE=x")
	s.want(t, 2, "log: ::error title=promote%3A invalid::there is no input phse; command test needs input environment%0ANext: command test takes the inputs environment, config\n",
		"output: \ninvalid\n", "summary: ## ❌ promote: invalid", "summary: there is no input phse")
	if n := strings.Count(s.log, "::error"); n != 1 {
		t.Errorf("%d errors:\n%s", n, s.log)
	}
}

func TestActionPointsAtTheConfiguration(t *testing.T) {
	s := runStep(t, "version: 1\nenvironment: {}\n", "INPUT_COMMAND=plan")
	s.want(t, 2, "log: ::error col=1,file=.github/promote.yml,line=2,title=configuration::", "output: invalid", "summary: promote.yml:2:1")

	s = runStep(t, "version: 1\nenvironment: {}\n", "INPUT_COMMAND=validate")
	s.want(t, 2, "log: ::error col=1,file=.github/promote.yml,line=2,title=configuration::", "output: invalid")

	s = runStep(t, "", "INPUT_COMMAND=plan")
	s.want(t, 2, "log: %0ANext: write one with: promote init", "output: invalid", "summary: no .github/promote.yml in")

	var many strings.Builder
	many.WriteString("version: 1\n")
	for i := range 30 {
		many.WriteString("unknown" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ": 1\n")
	}
	s = runStep(t, many.String(), "INPUT_COMMAND=plan")
	if n := strings.Count(s.log, "::error"); n != actions.Annotations {
		t.Errorf("%d errors, the runner shows %d", n, actions.Annotations)
	}
}

func TestActionWithoutFilesOfTheRunner(t *testing.T) {
	s := runStep(t, "", "INPUT_COMMAND=nonsense", "GITHUB_OUTPUT=/nowhere/output", "GITHUB_STEP_SUMMARY=")
	s.want(t, 2, "log: ::warning title=promote::output outcome could not be written: actions: open /nowhere/output: ", "log: ::warning title=promote::the job summary could not be written: actions: the runner gave no file",
		`log: ::error title=promote%3A invalid::input command is "nonsense"`)
}

func TestActionPassesThroughWhatIsNoStep(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	code := Main(Process{Args: []string{"promote", "version"}, Stdout: w, Stderr: w, Environ: []string{"GITHUB_ACTIONS=true", "INPUT_COMMAND=run"}})
	w.Close()
	data, _ := io.ReadAll(r)
	if code != 0 || !strings.HasPrefix(string(data), "promote ") {
		t.Errorf("%d: %s", code, data)
	}
	if code := Main(Process{Args: []string{"/promote-post"}, Environ: []string{"GITHUB_ACTIONS=true", "INPUT_COMMAND=run"}}); code != 0 {
		t.Errorf("post: %d", code)
	}
}

func TestCause(t *testing.T) {
	failure := &promotion.Failure{Phase: promotion.Deploy, Service: "api", Message: "exited with 1", Hint: "promote logs staging api"}
	for _, c := range []struct {
		res  promotion.Result
		want string
	}{
		{promotion.Result{Outcome: promotion.RolledBack, To: "staging", Failure: failure}, "deploy: api: exited with 1\nstaging is back at its restore point.\nNext: promote logs staging api"},
		{promotion.Result{Outcome: promotion.RollbackFailed, To: "staging", Failure: failure, Left: []string{"start api"}}, "deploy: api: exited with 1\nstaging is NOT back at its restore point and needs a person.\nNext: start api"},
		{promotion.Result{Outcome: promotion.Locked, To: "staging", Reason: "the target is locked", Next: []string{"wait"}}, "the target is locked\nNothing in staging was touched.\nNext: wait"},
	} {
		if got := cause(c.res); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestLastPhase(t *testing.T) {
	phases := []promotion.PhaseResult{{Phase: promotion.Preflight, Status: promotion.Pass}, {Phase: promotion.Test, Status: promotion.Pass}, {Phase: promotion.Backup}}
	if got := lastPhase(promotion.Result{Phases: phases}); got != promotion.Test {
		t.Errorf("got %s", got)
	}
	phases[1].Status = promotion.Fail
	if got := lastPhase(promotion.Result{Phases: append(phases, promotion.PhaseResult{Phase: promotion.Rollback, Status: promotion.Pass})}); got != promotion.Test {
		t.Errorf("got %s", got)
	}
}
