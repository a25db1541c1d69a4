package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/org/promote-action/internal/actions"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
)

// postName is the name under which the action's image starts this program after a step. A promotion needs nobody then: the
// agent at the target ends it by itself.
const postName = "promote-post"

// isAction reports whether the program was started as the step of an action, by its runner or by hand.
func isAction(p Process) bool {
	if len(p.Args) == 2 && p.Args[1] == "action" {
		return true
	}
	return len(p.Args) == 1 && actions.Called(p.Environ)
}

// action is a run as the step of an action: what commands tell goes to the runner as well.
type action struct {
	log       *actions.Log
	workspace string

	result     *promotion.Result
	summary    []string // reports in Markdown
	said       strings.Builder
	complaints []string
	problems   config.Problems
}

// runAction does what the inputs ask for. Everything that this process writes goes to the log as text, on one stream with
// the masks.
func (a *app) runAction(ctx context.Context) int {
	step := &action{log: actions.NewLog(a.process.Stdout, a.secrets.String), workspace: a.process.Getenv("GITHUB_WORKSPACE")}
	a.action = step
	r, w, err := os.Pipe()
	if err != nil {
		step.complaints = append(step.complaints, err.Error())
		return step.end(a, 1)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := step.log.Writer()
		_, _ = io.Copy(lines, r)
		_ = lines.Close()
	}()
	a.process.Stdout, a.process.Stderr = w, w
	code := 2
	args, err := actionArguments(actions.ReadInputs(a.process.Environ))
	if err == nil {
		code = a.execute(ctx, append(a.logFolder(), args...))
	} else {
		a.complain(err)
	}
	_ = w.Close()
	<-read
	_ = r.Close()
	return step.end(a, code)
}

// logFolder puts log files where the runner wants temporary files: in the workspace they would be untracked files.
func (a *app) logFolder() []string {
	dir := a.process.Getenv("RUNNER_TEMP")
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil
	}
	return []string{"--log-dir=" + filepath.Join(dir, "promote")}
}

// reported keeps what is told by a report for outputs and summary.
func (s *action) reported(v report.View) {
	options := report.Options{Now: time.Now()}
	if data, err := report.Render(report.Markdown, v, options); err == nil {
		s.summary = append(s.summary, string(data))
	}
	data, err := report.Render(report.JSON, v, options)
	if err != nil {
		return
	}
	var res promotion.Result
	if err := json.Unmarshal(data, &res); err == nil && res.Schema == report.ResultSchema {
		s.result = &res
	}
}

// end tells the runner how the step ended, and returns the exit code. What can't be told does not change it.
func (s *action) end(a *app, code int) int {
	outcome := outcomeWord(code)
	outputs := [][2]string{}
	if s.result != nil {
		outcome = string(s.result.Outcome)
		outputs = append(outputs, [2]string{"promotion-id", s.result.ID}, [2]string{"phase", string(lastPhase(*s.result))})
	}
	outputs = append(outputs, [2]string{"outcome", outcome})
	s.annotate(a, code, outcome)

	untold := func(what string, err error) {
		if err != nil {
			s.log.Warning(actions.Annotation{Title: "promote", Message: what + " could not be written: " + err.Error()})
		}
	}
	for _, o := range outputs {
		if o[1] != "" {
			untold("output "+o[0], actions.Set(a.process.Getenv(actions.OutputFile), o[0], a.secrets.String(o[1])))
		}
	}
	if summary := s.markdown(outcome); summary != "" {
		untold("the job summary", actions.AddSummary(a.process.Getenv(actions.SummaryFile), a.secrets.String(summary)))
	}
	for _, path := range s.left(a) {
		if path != "" {
			untold("the owner of "+path, actions.HandOver(path))
		}
	}
	return code
}

// left are the files that the step leaves in the runner's folders.
func (s *action) left(a *app) []string {
	paths := []string{a.logDir, a.logPath}
	if s.result != nil {
		paths = append(paths, s.result.BackupPath, s.result.ReportPath)
	}
	return paths
}

// outcomeWord is the outcome of what has no result to tell, by its exit code.
func outcomeWord(code int) string {
	words := []string{
		string(promotion.Done), "error", "invalid", string(promotion.Refused), string(promotion.RolledBack), string(promotion.RollbackFailed), string(promotion.Locked),
		string(promotion.Inconclusive),
	}
	if code < 0 || code >= len(words) {
		return "error"
	}
	return words[code]
}

// lastPhase is the phase that failed, else the last one that ended.
func lastPhase(res promotion.Result) promotion.Phase {
	if res.Failure != nil && res.Failure.Phase != "" {
		return res.Failure.Phase
	}
	var last promotion.Phase
	for _, p := range res.Phases {
		switch p.Status {
		case promotion.Fail, promotion.Error:
			return p.Phase
		case promotion.Pass, promotion.Warn:
			last = p.Phase
		}
	}
	return last
}

// annotate shows what went wrong: one error with its cause and the next step, or one at each line of the configuration.
func (s *action) annotate(a *app, code int, outcome string) {
	if code == 0 {
		return
	}
	title := "promote: " + outcome
	switch {
	case len(s.problems) > 0:
		s.annotateConfiguration()
	case s.result != nil:
		s.log.Error(actions.Annotation{Title: title, Message: cause(*s.result)})
	case len(s.complaints) > 0:
		s.log.Error(actions.Annotation{Title: title, Message: strings.Join(s.complaints, "\n")})
	default:
		s.log.Error(actions.Annotation{Title: title, Message: fmt.Sprintf("exit code %d; the log above says why", code)})
	}
}

func (s *action) annotateConfiguration() {
	for i, p := range s.problems {
		if i == actions.Annotations-1 && len(s.problems) > actions.Annotations {
			s.log.Error(actions.Annotation{Title: "configuration", Message: fmt.Sprintf("and %d problems more; promote validate lists them all", len(s.problems)-i)})
			return
		}
		file := p.File
		if rest, err := filepath.Rel(s.workspace, file); err == nil && s.workspace != "" && filepath.IsAbs(file) && filepath.IsLocal(rest) {
			file = rest
		}
		message := p.Message
		if p.Key != "" {
			message = p.Key + ": " + message
		}
		s.log.Error(actions.Annotation{Title: "configuration", File: file, Line: p.Line, Column: p.Column, Message: withNext(message, p.Hint)})
	}
}

// cause says what failed, what the target is now, and what to do next.
func cause(res promotion.Result) string {
	what, next := res.Reason, ""
	if f := res.Failure; f != nil {
		what, next = string(f.Phase)+": ", f.Hint
		if f.Service != "" && !strings.Contains(f.Message, f.Service) {
			what += f.Service + ": "
		}
		what += f.Message
	}
	target := cmp.Or(res.To, "the target")
	state := ""
	switch res.Outcome {
	case promotion.Refused, promotion.Canceled, promotion.Locked, promotion.Inconclusive:
		state = "Nothing in " + target + " was touched."
	case promotion.RolledBack:
		state = target + " is back at its restore point."
	case promotion.RollbackFailed:
		state = target + " is NOT back at its restore point and needs a person."
	}
	if len(res.Left) > 0 {
		next = res.Left[0]
	} else if next == "" && len(res.Next) > 0 {
		next = res.Next[0]
	}
	lines := []string{}
	for _, line := range []string{what, state} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return withNext(strings.Join(lines, "\n"), next)
}

func withNext(message, next string) string {
	if next == "" {
		return message
	}
	return message + "\nNext: " + next
}

// markdown is the job summary: the reports, else what was written instead, and the errors that no report holds.
func (s *action) markdown(outcome string) string {
	parts := s.summary
	if len(parts) == 0 && s.said.Len() > 0 {
		parts = append(parts, actions.Fence(s.said.String()))
	}
	var errs []string
	if s.result == nil {
		errs = append(errs, s.complaints...)
	}
	if len(s.problems) > 0 && s.said.Len() == 0 {
		errs = append(errs, strings.TrimRight(s.problems.Text(), "\n"))
	}
	if len(errs) > 0 {
		parts = append([]string{"## ❌ promote: " + outcome + "\n\n" + actions.Fence(strings.Join(errs, "\n"))}, parts...)
	}
	return strings.Join(parts, "\n")
}
