package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// subject is the environment as the checks see it.
func (e *environment) subject(ctx context.Context) (check.Subject, error) {
	all, err := e.containers(ctx)
	if err != nil {
		return check.Subject{}, err
	}
	if err := e.join(ctx, all); err != nil {
		return check.Subject{}, err
	}
	s := check.Subject{
		Environment: e.spec.Environment, Custom: e.spec.Custom, Defaults: check.Defaults{Timeout: e.spec.Timeout}, Inspector: &inspector{e},
	}
	byName := map[string][]engine.Container{}
	for _, c := range all {
		byName[c.Service] = append(byName[c.Service], c)
	}
	for name, svc := range e.spec.Services {
		if _, runs := byName[name]; !runs && svc.Replicas == 0 {
			delete(byName, name) // switched off by a profile, or scaled to none
		} else if !runs {
			byName[name] = nil
		}
	}
	jobs := awaited(all)
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		spec, known := e.spec.Services[name]
		svc := check.Service{
			Name: name, Kind: spec.Kind, Critical: spec.Critical || !known, OneShot: spec.OneShot || jobs[name], Replicas: spec.Replicas, Ports: spec.Ports,
			Health: spec.Health, Version: spec.Version, P95: spec.P95, ErrorRate: spec.ErrorRate, Timeout: e.spec.Timeout, DependsOn: nil,
		}
		for _, d := range spec.DependsOn {
			svc.DependsOn = append(svc.DependsOn, d.Service)
		}
		for _, c := range byName[name] {
			svc.Containers = append(svc.Containers, seen(c))
			if len(svc.Ports) == 0 {
				svc.Ports = ports(c)
			}
		}
		if len(byName[name]) > 0 && !svc.OneShot {
			c := byName[name][0]
			svc.OneShot = c.State == "exited" && c.ExitCode == 0 && (c.RestartPolicy == "" || c.RestartPolicy == "no")
		}
		svc.Smoke = smoke(svc, byName[name])
		s.Services = append(s.Services, svc)
	}
	servers, err := e.servers(ctx, all)
	if err != nil {
		s.Databases = append(s.Databases, check.Database{Name: "databases", Problem: err.Error()})
		return s, nil
	}
	for _, found := range servers {
		s.Databases = append(s.Databases, readers(ctx, found)...)
	}
	return s, nil
}

// smoke are the ports of a service that are tried; those of datastores are not, which would log it as an attack.
func smoke(svc check.Service, containers []engine.Container) []check.Port {
	numbers := slices.Clone(svc.Ports)
	for _, c := range containers {
		if svc.Kind == string(config.DatabaseServer) || IsDatastore(c.Image, c.Env, ports(c)) {
			return nil
		}
		numbers = append(numbers, ports(c)...)
	}
	slices.Sort(numbers)
	var out []check.Port
	for _, n := range slices.Compact(numbers) {
		out = append(out, check.Port{Number: n})
	}
	return out[:min(len(out), 4)]
}

// expect makes of what the ports did before the promotion what they must do.
func expect(services []check.Service, before []promotion.Check) {
	for _, b := range before {
		name, seen, ok := check.Seen(b)
		if !ok {
			continue
		}
		for _, svc := range services {
			if at := slices.IndexFunc(svc.Smoke, func(p check.Port) bool { return p.Number == seen.Number }); svc.Name == name && at >= 0 {
				svc.Smoke[at] = seen
			}
		}
	}
}

func readers(ctx context.Context, found databaseServer) []check.Database {
	pg, err := found.open(ctx)
	if err != nil {
		return []check.Database{{Name: found.name, Service: found.service, Problem: err.Error()}}
	}
	list, err := pg.Databases(ctx)
	if err != nil {
		return []check.Database{{Name: found.name, Service: found.service, Problem: err.Error()}}
	}
	var out []check.Database
	wanted := found.wanted(list)
	for _, db := range wanted {
		name := db.Name
		if len(found.only) > 0 && len(wanted) == 1 {
			name = found.name // as the configuration calls it
		}
		out = append(out, check.Database{Name: name, Service: found.service, Reader: &reader{pg, db.Name}})
	}
	return out
}

// reader makes a database a check.Querier.
type reader struct {
	pg *postgres.Server
	db string
}

// Ping implements check.Querier.
func (r *reader) Ping(ctx context.Context) error {
	_, err := r.Query(ctx, "SELECT 1")
	return err
}

// Query implements check.Querier.
func (r *reader) Query(ctx context.Context, sql string) ([][]string, error) {
	return r.pg.Query(ctx, r.db, sql)
}

// inspector reads a service's containers anew.
type inspector struct{ env *environment }

// Containers implements check.Inspector.
func (i *inspector) Containers(ctx context.Context, service string) ([]check.Container, error) {
	all, err := i.env.engine.Containers(ctx, i.env.spec.Project)
	if err != nil {
		return nil, err
	}
	var out []check.Container
	for _, c := range all {
		if c.Service == service && !c.OneOff {
			out = append(out, seen(c))
		}
	}
	return out, nil
}

func seen(c engine.Container) check.Container {
	s := check.Container{
		ID: c.ID, Name: c.Name, IP: address(c), State: c.State, Health: c.Health, HasHealthcheck: c.HasHealthcheck, ExitCode: c.ExitCode, Restarts: c.Restarts,
		StartedAt: c.StartedAt, ImageID: c.ImageID,
	}
	for _, p := range c.HealthLog {
		s.HealthLog = append(s.HealthLog, oneLine(p.Output))
	}
	return s
}

// checks makes the environment's checks step.Checks.
type checks struct {
	env   *environment
	plan  plan.Plan
	point point

	commander check.Commander
	tested    func() []promotion.Check // of the source, in phase test
}

// baselineFile is where the restore point holds how the checks were before anything was touched.
const baselineFile = "baseline.json"

// patience is how long checks may take to pass after a start.
const patience = 30 * time.Second

func (c *checks) wait(ctx context.Context, want map[string]string, previous bool, onEvent func(string)) ([]promotion.Check, error) {
	subject, err := c.env.subject(ctx)
	if err != nil {
		return nil, err
	}
	subject.Commander = c.commander
	unwell := c.unwell()
	subject.Services = slices.DeleteFunc(subject.Services, func(s check.Service) bool { return slices.Contains(unwell, s.Name) })
	if previous { // its one-shots are made again and not run again: their image and configuration are proved elsewhere
		subject.Services = slices.DeleteFunc(subject.Services, func(s check.Service) bool { return s.OneShot })
	}
	for i := range subject.Services {
		subject.Services[i].WantImage = want[subject.Services[i].Name]
	}
	before, err := c.baseline()
	if err != nil {
		return nil, err
	}
	expect(subject.Services, before)
	results, _, err := check.Wait(ctx, check.Tests(subject), check.Options{}, check.Patience{Limit: patience, OnAttempt: func(_ int, results []promotion.Check) {
		if blocking := promotion.Blocking(results); len(blocking) > 0 {
			onEvent("waiting for " + blocking[0].Service + " " + blocking[0].Name + ": " + blocking[0].Message)
		}
	}})
	return results, err
}

// unwell are the services of which the plan asks nothing.
func (c *checks) unwell() []string {
	for _, item := range c.plan.Steps {
		if s, ok := item.Step.(*step.StartServices); ok {
			return s.Unwell
		}
	}
	return nil
}

// Verify implements step.Checks.
func (c *checks) Verify(ctx context.Context, onEvent func(string)) ([]promotion.Check, error) {
	want := map[string]string{}
	for _, change := range c.plan.Changes {
		if change.Action != plan.Leave {
			want[change.Service] = change.To
		}
	}
	results, err := c.wait(ctx, want, false, onEvent)
	if err != nil {
		return results, err
	}
	before, err := c.baseline()
	if err != nil {
		return results, err
	}
	for try := 0; try < 3 && regressed(results, before, c.tested()) && len(promotion.Blocking(results)) > 0; try++ {
		onEvent("waiting for answers as quick as before")
		select {
		case <-ctx.Done():
			return results, context.Cause(ctx)
		case <-time.After(2 * time.Second):
		}
		if results, err = c.wait(ctx, want, false, onEvent); err != nil {
			return results, err
		}
	}
	return c.lenient(results), nil
}

// VerifyPrevious implements step.Checks.
func (c *checks) VerifyPrevious(ctx context.Context, onEvent func(string)) ([]promotion.Check, error) {
	results, err := c.wait(ctx, nil, true, onEvent)
	if err != nil {
		return results, err
	}
	return c.beforeToo(c.lenient(results))
}

// Baseline runs the checks once and keeps what did not pass, so that nothing is asked of a release that was not so before.
func (c *checks) Baseline(ctx context.Context) error {
	subject, err := c.env.subject(ctx)
	if err != nil {
		return err
	}
	subject.Commander = c.commander
	results, err := check.Run(ctx, check.Tests(subject), check.Options{})
	if err != nil {
		return err
	}
	data, err := json.Marshal(results)
	if err != nil {
		return err
	}
	return c.point.Write(baselineFile, data)
}

// lenient makes a warning of a check that is not critical, and after a rollback of what failed before the promotion too.
func (c *checks) lenient(results []promotion.Check) []promotion.Check {
	for i, r := range results {
		if (r.Status == promotion.Fail) && !r.Critical {
			results[i].Status = promotion.Warn
		}
	}
	return results
}

// baseline are the checks as they were before anything was touched; none when that is not known.
func (c *checks) baseline() ([]promotion.Check, error) {
	data, err := c.point.Read(baselineFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var before []promotion.Check
	err = json.Unmarshal(data, &before)
	return before, err
}

func (c *checks) beforeToo(results []promotion.Check) ([]promotion.Check, error) {
	before, err := c.baseline()
	if err != nil {
		return results, err
	}
	for i, r := range results {
		if r.Status != promotion.Fail && r.Status != promotion.Error {
			continue
		}
		if slices.ContainsFunc(before, func(b promotion.Check) bool {
			return b.Category == r.Category && b.Name == r.Name && b.Service == r.Service && (b.Status == promotion.Fail || b.Status == promotion.Error)
		}) {
			results[i].Status, results[i].Message = promotion.Warn, "as before the promotion: "+r.Message
		}
	}
	return results, nil
}

var _ step.Checks = (*checks)(nil)
