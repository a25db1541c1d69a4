package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// How old tests may be.
const (
	agingTests = 24 * time.Hour
	oldTests   = 7 * 24 * time.Hour
)

// readinessArea says whether the source is worth promoting, and whether the target can be brought back.
func readinessArea(in Input) areaFindings {
	a := area(Readiness)
	sourceWorks(a, in)
	targetWorks(a, in)
	tests(a, in)
	freshness(a, in)
	preflight(a, in)
	rehearsal(a, in)
	return *a
}

func sourceWorks(a *areaFindings, in Input) {
	const objective = "readiness.source"
	if in.From == nil {
		a.miss(absent(in.Names[0], in.FromWhy), "start it, or look why its engine does not answer", objective)
		return
	}
	if idle(in.From) {
		a.miss("nothing of "+in.From.Environment+" runs", "start it: docker compose up -d", objective)
		return
	}
	services(a, in, in.From, objective)
	asked := false
	for _, c := range byCheck(in.Tests) { // a service that runs and does not answer
		if c.Category != "health" {
			continue
		}
		asked = true
		switch {
		case !c.Critical:
		case c.Status == promotion.Fail:
			a.add(objective, "service-unhealthy", checkSubject(c), Fail, checkMessage(c), cmp.Or(c.Hint, "see its log: promote logs "+in.From.Environment+" "+c.Service))
		case c.Status == promotion.Error:
			a.miss(checkMessage(c), c.Hint, objective)
		}
	}
	if !asked {
		a.miss("whether the services of "+in.From.Environment+" answer was not asked", "promote test "+in.From.Environment, objective)
	}
}

func targetWorks(a *areaFindings, in Input) {
	const objective = "readiness.target"
	if in.To == nil {
		a.miss(absent(in.Names[1], in.ToWhy), "start it, or look why its engine does not answer", objective)
		return
	}
	if idle(in.To) {
		a.miss("nothing of "+in.To.Environment+" runs", "start it: docker compose up -d", objective)
		return
	}
	services(a, in, in.To, objective)
}

// idle says that no container of an environment runs: it is down, which is not the same as broken.
func idle(s *snapshot.Snapshot) bool {
	for _, svc := range s.Services {
		for _, c := range svc.Containers {
			if c.State == "running" || c.State == "restarting" || c.State == "paused" {
				return false
			}
		}
	}
	return true
}

func services(a *areaFindings, in Input, s *snapshot.Snapshot, objective string) {
	for _, name := range serviceNames(s) {
		svc, _ := s.Service(name)
		problem := broken(svc)
		if problem == "" {
			continue
		}
		severity := Fail
		if !in.critical(name) {
			severity = Warn
		}
		do := "see its log: promote logs " + s.Environment + " " + name
		if objective == "readiness.target" {
			do += "; a rollback brings this state back"
		}
		f := a.add(objective, "service-down", name+" in "+s.Environment, severity, fmt.Sprintf("%s in %s: %s", name, s.Environment, problem), do)
		if s == in.From {
			f.From = problem
		} else {
			f.To = problem
		}
	}
}

// broken says what is wrong with a service; a one-shot may have ended well, or be made and not run since a rollback.
func broken(svc snapshot.Service) string {
	if len(svc.Containers) == 0 {
		return "it has no container"
	}
	var problems []string
	for _, c := range svc.Containers {
		switch {
		case svc.OneShot && (c.State == "exited" && c.ExitCode == 0 || c.State == "created"):
		case c.State != "running":
			problems = append(problems, fmt.Sprintf("%s is %s (code %d)", c.Name, c.State, c.ExitCode))
		case c.Health == "unhealthy" || c.Health == "starting":
			problems = append(problems, c.Name+" is "+c.Health)
		}
	}
	return strings.Join(sorted(problems), "; ")
}

// tests takes the results of the source's checks. A check that could not find out is not a pass, and neither are checks
// that were all skipped.
func tests(a *areaFindings, in Input) {
	const objective = "readiness.tests"
	if len(in.Tests) == 0 {
		a.miss("the source was not tested", "promote test "+name(in.From, in.Names[0]), objective)
		return
	}
	told := false
	for _, c := range byCheck(in.Tests) {
		told = told || c.Status != promotion.Skip
		checked(a, c, objective, "test", "put it right, and test again: promote test "+name(in.From, in.Names[0]))
	}
	if !told {
		a.miss("every test of the source was skipped: "+in.Tests[0].Message, "", objective)
	}
}

// checked makes a finding of a check, or notes that it could not find out.
func checked(a *areaFindings, c promotion.Check, objective, kind, otherwise string) {
	do := cmp.Or(c.Hint, otherwise)
	switch c.Status {
	case promotion.Pass, promotion.Skip:
	case promotion.Fail:
		severity := Fail
		if !c.Critical {
			severity = Warn
		}
		a.add(objective, kind+"-failed", checkSubject(c), severity, checkMessage(c), do)
	case promotion.Warn:
		a.add(objective, kind+"-warned", checkSubject(c), Warn, checkMessage(c), do)
	default:
		a.miss(checkMessage(c), do, objective)
	}
}

func checkSubject(c promotion.Check) string {
	parts := []string{c.Category, c.Name}
	if c.Service != "" {
		parts = append([]string{c.Service}, parts...)
	}
	return strings.Join(parts, " ")
}

func checkMessage(c promotion.Check) string {
	if c.Message == "" {
		return checkSubject(c) + ": " + string(c.Status)
	}
	return checkSubject(c) + ": " + c.Message
}

// byCheck are checks in an order that does not depend on when they ended.
func byCheck(checks []promotion.Check) []promotion.Check {
	checks = slices.Clone(checks)
	slices.SortStableFunc(checks, func(a, b promotion.Check) int {
		return strings.Compare(checkSubject(a)+"\x00"+string(a.Status)+a.Message, checkSubject(b)+"\x00"+string(b.Status)+b.Message)
	})
	return checks
}

func name(s *snapshot.Snapshot, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return s.Environment
}

// freshness wants the tests to be of what runs now: not old, and not of containers that were started since.
func freshness(a *areaFindings, in Input) {
	const objective = "readiness.fresh"
	if len(in.Tests) == 0 || in.TestedAt.IsZero() || in.From == nil {
		a.miss("when the source was tested is not known", "promote test "+name(in.From, in.Names[0]), objective)
		return
	}
	age := in.Now.Sub(in.TestedAt)
	severity := Info
	switch {
	case age > oldTests:
		severity = Fail
	case age > agingTests:
		severity = Warn
	}
	if severity != Info {
		a.add(objective, "tests-old", in.From.Environment, severity, fmt.Sprintf("%s was tested %d hours ago", in.From.Environment, int(age.Hours())), "test again: promote test "+in.From.Environment)
	}
	for _, svc := range serviceNames(in.From) {
		s, _ := in.From.Service(svc)
		if slices.ContainsFunc(s.Containers, func(c snapshot.Container) bool { return c.StartedAt.After(in.TestedAt) }) {
			a.add(objective, "started-since", svc, Fail, svc+" was started after the tests", "test again: promote test "+in.From.Environment)
		}
	}
}
