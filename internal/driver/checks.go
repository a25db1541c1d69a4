package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/git"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// preflight finds everything that can be known to fail, all at once, and touches nothing.
func (d *Driver) preflight(ctx context.Context, s *sides, p plan.Plan, problems []promotion.Check, force bool) ([]promotion.Check, error) {
	checks := d.known(ctx, s, p, problems)
	add := func(c promotion.Check) { checks = append(checks, c) }
	var target []promotion.Check
	if err := s.toAgent.Call(ctx, "preflight", agent.PreflightRequest{Spec: s.to.Spec, Plan: p}, &target, nil); err != nil {
		return checks, err
	}
	for _, c := range target {
		if c.Name == "hold" && c.Status == promotion.Fail && force {
			c.Status, c.Critical, c.Message = promotion.Warn, false, c.Message+" (released by --release-hold)"
		}
		add(c)
	}
	return checks, nil
}

// known are the checks that need no agent.
func (d *Driver) known(ctx context.Context, s *sides, p plan.Plan, problems []promotion.Check) []promotion.Check {
	var checks []promotion.Check
	add := func(c promotion.Check) { checks = append(checks, c) }
	d.gitChecks(s, add)
	add(promotion.Check{Category: "configuration", Name: "configuration", Status: promotion.Pass, Message: d.Config.Path + " is valid; the Compose models of both environments load"})
	d.engineChecks(s, add)
	d.serviceChecks(s, add)
	checks = append(checks, problems...)
	if !slices.ContainsFunc(problems, func(c promotion.Check) bool { return c.Category == "images" }) {
		d.imageChecks(ctx, s, p, add)
	}
	if _, err := d.model(s, p); err != nil {
		add(promotion.Check{Category: "configuration", Name: "model", Environment: s.to.Name, Status: promotion.Fail, Critical: true, Message: "the target's Compose model is not valid with the release's images: " + err.Error()})
	}
	for _, w := range p.Warnings {
		add(promotion.Check{Category: "plan", Name: "warning", Environment: s.to.Name, Status: promotion.Warn, Message: w})
	}
	return checks
}

func (d *Driver) gitChecks(s *sides, add func(promotion.Check)) {
	policy := d.Config.Policy
	one := func(name string, status promotion.Status, message, hint string) {
		add(promotion.Check{Category: "git", Name: name, Status: status, Critical: status == promotion.Fail, Message: message, Hint: hint})
	}
	if s.gitErr != nil {
		status := promotion.Skip
		if len(policy.Branches) > 0 || policy.Clean || policy.Pushed {
			status = promotion.Fail
		}
		message := s.gitErr.Error()
		if errors.Is(s.gitErr, git.ErrNone) {
			message = "no git repository here"
		}
		one("repository", status, message, "")
		return
	}
	where := s.git.Branch
	if where == "" {
		where = "no branch (detached)"
	}
	one("repository", promotion.Pass, fmt.Sprintf("%s on %s: %s", short(s.git.Commit), where, s.git.Subject), "")
	if len(policy.Branches) > 0 {
		if slices.ContainsFunc(policy.Branches, func(pattern string) bool { ok, _ := path.Match(pattern, s.git.Branch); return ok }) {
			one("branch", promotion.Pass, s.git.Branch+" may be promoted", "")
		} else {
			one("branch", promotion.Fail, fmt.Sprintf("%s may not be promoted: policy.branches allows %s", where, strings.Join(policy.Branches, ", ")), "git checkout "+policy.Branches[0])
		}
	}
	s.git.Untracked = slices.DeleteFunc(s.git.Untracked, ownFile.MatchString)
	if dirty := len(s.git.Changed) + len(s.git.Untracked); dirty > 0 {
		status := promotion.Warn
		if policy.Clean {
			status = promotion.Fail
		}
		one("clean", status, fmt.Sprintf("%d changed and %d untracked files: %s", len(s.git.Changed), len(s.git.Untracked), firstOf(slices.Concat(s.git.Changed, s.git.Untracked), 3)), "commit or remove them")
	} else {
		one("clean", promotion.Pass, "nothing uncommitted or untracked", "")
	}
	if s.git.Remote == "" {
		one("pushed", promotion.Skip, "the repository has no remote", "")
		return
	}
	switch s.git.Pushed {
	case git.Present:
		one("pushed", promotion.Pass, "the commit is at "+s.git.Remote, "")
	case git.Absent:
		status := promotion.Warn
		if policy.Pushed {
			status = promotion.Fail
		}
		one("pushed", status, "the commit is not at "+s.git.Remote+", as far as this clone knows", "git push")
	default:
		status := promotion.Skip
		if policy.Pushed {
			status = promotion.Error
		}
		one("pushed", status, "whether the commit is at "+s.git.Remote+" could not be found out", "git fetch")
	}
}

func (d *Driver) engineChecks(s *sides, add func(promotion.Check)) {
	for _, env := range []*Environment{s.from, s.to} {
		c := promotion.Check{
			Category: "engine", Name: "engine", Environment: env.Name, Status: promotion.Pass,
			Message: fmt.Sprintf("Docker Engine %s (API %s) on %s, %s/%s", env.Info.Version, env.Info.APIVersion, env.Info.Name, env.Info.OS, env.Info.Arch),
		}
		if skew := env.Info.Time.Sub(env.asked).Abs(); skew > 30*time.Second {
			c.Status, c.Message, c.Hint = promotion.Warn, c.Message+fmt.Sprintf("; its clock differs from this machine's by %s", skew.Round(time.Second)), "synchronise the clocks: times in reports come from both"
		}
		add(c)
	}
	if s.from.Info.Arch != s.to.Info.Arch || s.from.Info.OS != s.to.Info.OS {
		add(promotion.Check{
			Category: "engine", Name: "platform", Environment: s.to.Name, Status: promotion.Fail, Critical: true,
			Message: fmt.Sprintf("images of %s/%s do not run on %s/%s", s.from.Info.OS, s.from.Info.Arch, s.to.Info.OS, s.to.Info.Arch),
		})
	}
	if !sameEngine(s) && s.from.Info.ContainerdStore != s.to.Info.ContainerdStore {
		add(promotion.Check{
			Category: "engine", Name: "image store", Environment: s.to.Name, Status: promotion.Fail, Critical: true,
			Message: "one engine keeps images in containerd's store and the other does not: an image has another id there, so that its identity could not be proved",
			Hint:    `set the same "features": {"containerd-snapshotter": …} in both daemon.json`,
		})
	}
}

// ownFile are the names of what promote itself leaves where it runs: logs, reports and backups.
var ownFile = regexp.MustCompile(`(^|/)(promotion-[^/]*|env-comparison-[^/]*)\.(log|html)$|(^|/)[^/]+-backup-\d{8}-\d{6}/`)

// serviceChecks wants every service of the source running and healthy, and reports what is wrong at the target already.
func (d *Driver) serviceChecks(s *sides, add func(promotion.Check)) {
	for _, svc := range s.fromSnap.Services {
		conf := s.from.Spec.Services[svc.Name]
		c := promotion.Check{Category: "services", Name: "running", Environment: s.from.Name, Service: svc.Name, Status: promotion.Pass, Message: "running"}
		for _, container := range svc.Containers {
			problem := ""
			switch {
			case svc.OneShot && container.State == "exited" && container.ExitCode == 0:
				c.Message = "ended with code 0"
			case svc.OneShot && container.State == "created": // as a rollback makes it
				c.Message = "made and not run since a rollback"
			case container.State != "running":
				problem = fmt.Sprintf("%s is %s (code %d)", container.Name, container.State, container.ExitCode)
			case container.Health == "unhealthy" || container.Health == "starting":
				problem = container.Name + " is " + container.Health
			case container.Health == "healthy":
				c.Message = "running, healthy"
			}
			if problem != "" {
				c.Status, c.Message, c.Critical, c.Hint = promotion.Fail, problem, true, "docker logs "+container.Name
				if conf.Critical || len(s.from.Spec.Services) == 0 {
					continue
				}
				c.Status, c.Critical = promotion.Warn, false
			}
		}
		add(c)
	}
	v1 := ""
	for _, svc := range s.toSnap.Services {
		for _, container := range svc.Containers {
			if container.Health == "unhealthy" || container.State == "restarting" || (container.State == "exited" && container.ExitCode != 0) {
				add(promotion.Check{
					Category: "services", Name: "before", Environment: s.to.Name, Service: svc.Name, Status: promotion.Warn,
					Message: fmt.Sprintf("%s is %s %s before the promotion: a rollback brings that state back", container.Name, container.State, container.Health), Hint: "docker logs " + container.Name,
				})
			}
			if strings.HasPrefix(container.ComposeVersion, "1.") {
				v1 = container.ComposeVersion
			}
		}
	}
	if v1 != "" {
		add(promotion.Check{
			Category: "services", Name: "compose", Environment: s.to.Name, Status: promotion.Warn,
			Message: fmt.Sprintf("the stack was made by docker-compose %s: every container is made anew, also unchanged ones; datastores excepted", v1),
		})
	}
}

func (d *Driver) imageChecks(ctx context.Context, s *sides, p plan.Plan, add func(promotion.Check)) {
	for _, c := range p.Changes {
		if c.Action == plan.Keep || c.Action == plan.Leave || c.To == "" {
			continue
		}
		engine := s.from.Engine
		if !slices.ContainsFunc(p.Release.Images, func(i step.Image) bool { return i.Service == c.Service }) {
			engine = s.to.Engine
		}
		has, err := engine.HasImage(ctx, c.To)
		switch {
		case err != nil:
			add(promotion.Check{Category: "images", Name: "image", Service: c.Service, Status: promotion.Error, Critical: true, Message: err.Error()})
		case !has:
			add(promotion.Check{
				Category: "images", Name: "image", Service: c.Service, Status: promotion.Fail, Critical: true,
				Message: fmt.Sprintf("image %s of %s is no longer on its engine, although a container was made from it", short(c.To), c.Service), Hint: "build or pull it again and restart the service",
			})
		}
	}
	message := fmt.Sprintf("%d images are on the target's engine", len(p.Release.Images))
	for _, item := range p.Steps {
		if m, ok := item.Step.(*step.MoveImages); ok && len(m.Images) > 0 {
			message = item.Step.Describe()
		}
	}
	add(promotion.Check{Category: "images", Name: "images", Environment: s.to.Name, Status: promotion.Pass, Message: message})
}

// Test runs the environment checks.
func (d *Driver) Test(ctx context.Context, name string, only []string) ([]promotion.Check, error) {
	env, err := d.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	r, err := d.Reader(ctx, env)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return d.test(ctx, env, r, only)
}

func (d *Driver) test(ctx context.Context, env *Environment, r *agent.Remote, only []string) ([]promotion.Check, error) {
	spec := env.Spec
	var commands []check.Custom
	for _, c := range d.custom(env, config.OnTest) {
		if c.Command != nil {
			commands = append(commands, c)
		} else {
			spec.Custom = append(spec.Custom, c)
		}
	}
	var checks []promotion.Check
	if err := r.Call(ctx, "checks", agent.CheckRequest{Spec: spec, Only: only}, &checks, d.View.Event); err != nil {
		return nil, err
	}
	if len(commands) > 0 && (len(only) == 0 || slices.Contains(only, "custom")) {
		subject := check.Subject{Environment: env.Name, Custom: commands, Commander: commander{}}
		more, err := check.Run(ctx, check.Tests(subject), check.Options{Only: []string{"custom"}, OnResult: func(c promotion.Check) {
			d.View.Event(promotion.Event{Type: promotion.CheckEnded, Time: d.now(), Check: &c, Status: c.Status})
		}})
		if err != nil {
			return nil, err
		}
		checks = append(checks, more...)
	}
	return checks, nil
}

// commander runs the project's own commands here, where its files are.
type commander struct{}

// Command implements check.Commander.
func (commander) Command(ctx context.Context, c check.Command) (int, string, error) {
	out, err := process.Output(ctx, process.Command{Path: c.Args[0], Args: c.Args[1:], Dir: c.Dir})
	var failed *process.Error
	if errors.As(err, &failed) && failed.Code > 0 {
		return failed.Code, string(out) + failed.Tail, nil
	}
	return 0, string(out), err
}

func firstOf(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:n], ", ") + fmt.Sprintf(" and %d more", len(list)-n)
}

// httpChecks is a request for each field that the answer must have, or one without.
func httpChecks(custom check.Custom, c *config.HTTPCheck) []check.Custom {
	request := check.HTTP{Service: c.Service, Port: c.Port, URL: c.URL, Path: c.Path, Status: c.Status, Contains: c.Contains}
	if len(c.JSON) == 0 {
		custom.HTTP = &request
		return []check.Custom{custom}
	}
	var out []check.Custom
	for _, key := range slices.Sorted(maps.Keys(c.JSON)) {
		one, field := custom, request
		field.JSON, field.Equals = key, string(c.JSON[key])
		one.HTTP = &field
		if len(c.JSON) > 1 {
			one.Name += " " + key
		}
		out = append(out, one)
	}
	return out
}

func sqlCheck(c *config.SQLCheck) *check.SQL {
	s := &check.SQL{Database: c.Database, Query: c.Query}
	if c.Expect != nil {
		want := string(*c.Expect)
		s.Expect = &want
	}
	return s
}
