package agent

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/rehearsal"
)

// migrate runs the release against the copies: its one-shots, then its services, which migrate at their start where there is
// no one-shot for it. A service that does not become healthy is a doubt and no failure of the migration: it may need what
// the twin does not have.
func (r *rehearser) migrate(ctx context.Context) error {
	model, err := compose.UnmarshalModel(r.req.Model)
	if err != nil {
		return err
	}
	model, left, err := model.Twin(r.twin)
	if err != nil {
		return err
	}
	for _, name := range left {
		r.doubt("%s of the release shares the network of another container, so that it could not be rehearsed", name)
	}
	for _, server := range r.servers {
		for _, db := range server.databases {
			if db.locks, err = server.copy.pg.WatchLocks(ctx, db.name); err != nil {
				return err
			}
		}
	}
	jobs, start := r.services()
	for _, job := range jobs {
		r.tell("run " + job + " of the release")
		done, err := r.job(ctx, model, job)
		r.out.Migration = append(r.out.Migration, done)
		if err != nil {
			return err
		}
		if done.Failure != "" {
			r.out.Class, r.out.ClassWhy = string(plan.Restore), fmt.Sprintf("the migration fails on a copy of the databases: %s: %s", job, done.Failure)
			return r.compared(ctx)
		}
	}
	if len(jobs) > 0 {
		if err := r.compared(ctx); err != nil { // before the services write
			return err
		}
	}
	if len(start.Services) > 0 {
		r.tell("start the services of the release")
		r.start(ctx, model, len(jobs) == 0)
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	if len(jobs) == 0 {
		return r.compared(ctx)
	}
	return nil
}

// job runs a one-shot. The error is one of the engine.
func (r *rehearser) job(ctx context.Context, model *compose.Model, service string) (compare.RehearsedJob, error) {
	out := r.jobOf(service)
	result, err := r.env.engine.RunJob(ctx, model, service, nil)
	out.Seconds, out.ExitCode = result.Took.Seconds(), result.Code
	if err != nil {
		if ctx.Err() != nil {
			return out, context.Cause(ctx)
		}
		out.Failure = oneLine(err.Error())
		return out, nil
	}
	if result.Code != 0 {
		out.Failure, out.Log = fmt.Sprintf("ended with code %d", result.Code), withoutRows(tail(result.Tail))
	}
	return out, nil
}

func (r *rehearser) jobOf(service string) compare.RehearsedJob {
	out := compare.RehearsedJob{Service: service}
	for _, c := range r.req.Plan.Changes {
		if c.Service == service {
			out.Image = c.ToName
		}
	}
	return out
}

// start brings up the release's services beside the copies. It counts as a migration where no one-shot is one.
func (r *rehearser) start(ctx context.Context, model *compose.Model, migrates bool) {
	jobs, services := r.services()
	began := time.Now()
	limit := time.Minute
	for _, name := range services.Services {
		limit = max(limit, r.env.spec.Services[name].StartupTimeout)
	}
	uctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := failure(r.env.engine.Up(uctx, model, compose.Deployment{Services: services.Services, Keep: r.kept(services.Keep), JobsDone: jobs, Unwell: services.Unwell}, nil))
	if err != nil && ctx.Err() == nil {
		r.doubt("the release does not get healthy on the migrated copy (%s), so that what it would have done is not known", oneLine(err.Error()))
	}
	if migrates {
		job := compare.RehearsedJob{Service: strings.Join(services.Services, ", "), Seconds: time.Since(began).Seconds()}
		if err != nil {
			job.Failure = oneLine(err.Error())
		}
		r.out.Migration = append(r.out.Migration, job)
	}
}

// kept are the datastores of the stack; of what the plan leaves alone nothing is started.
func (r *rehearser) kept(names []string) []string {
	var out []string
	for _, c := range r.req.Plan.Changes {
		if c.Action == plan.Keep && slices.Contains(names, c.Service) {
			out = append(out, c.Service)
		}
	}
	return out
}

// compared says what the migration has done to the copies.
func (r *rehearser) compared(ctx context.Context) error {
	r.tell("compare the copies with what they were")
	for _, server := range r.servers {
		for _, db := range server.databases {
			for _, l := range db.locks() {
				db.data.Locks = append(db.data.Locks, compare.RehearsedLock{Table: l.Table, Mode: l.Mode, Seconds: l.Held.Seconds()})
			}
			db.locks = nil
			after, err := db.witness.After(ctx)
			if err != nil {
				return err
			}
			r.evidence.Databases = append(r.evidence.Databases, after)
			db.data.Changed = atMost(postgres.DiffSchema(postgres.Schema{Objects: after.Before}, postgres.Schema{Objects: after.After}))
			for _, source := range r.req.Source {
				if source.Server == db.data.Server && source.Database == db.name {
					db.data.Remaining = atMost(postgres.DiffSchema(postgres.Schema{Objects: source.Objects}, postgres.Schema{Objects: after.After}))
				}
			}
			for _, t := range after.Tables {
				if t.Inserted+t.Updated+t.Deleted > 0 || t.Before != t.After {
					db.data.Rows = append(db.data.Rows, compare.RehearsedTable{Table: t.Name, Before: t.Before, After: t.After, Inserted: t.Inserted, Updated: t.Updated, Deleted: t.Deleted})
				}
			}
			r.out.Databases = append(r.out.Databases, db.data)
		}
	}
	return nil
}

// atMost cuts a list that nobody would read to its end.
func atMost(lines []string) []string {
	const most = 200
	if len(lines) <= most {
		return lines
	}
	return append(lines[:most:most], fmt.Sprintf("and %d more", len(lines)-most))
}

// prove starts the present release on the migrated copies and asks it how it is.
func (r *rehearser) prove(ctx context.Context) error {
	if r.out.Class != "" { // the migration failed
		return nil
	}
	r.tell("start the present release on the migrated copies")
	keep := r.databaseServices()
	if err := r.env.engine.EmptyTwin(ctx, r.twin, keep...); err != nil {
		return err
	}
	var names []string
	for _, c := range r.record.Containers {
		if !slices.Contains(keep, c.Service) {
			names = append(names, c.Service)
		}
	}
	since := time.Now()
	if len(names) > 0 {
		if err := r.env.engine.Restore(ctx, r.record.Only(names...), compose.RestoreOptions{Services: names, HealthTimeout: time.Minute}, nil); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			r.doubt("the present release does not start on the migrated copy: %s", oneLine(err.Error()))
		}
	}
	if len(r.evidence.Doubts) == 0 {
		if err := r.ask(ctx, names); err != nil {
			return err
		}
	}
	if err := r.complaints(ctx, since); err != nil {
		return err
	}
	class, why := rehearsal.Class(r.evidence)
	r.out.Class, r.out.ClassWhy = string(class), why
	return nil
}

// ask runs the checks of the present release in the twin. Each service must also pass what it does where it runs.
func (r *rehearser) ask(ctx context.Context, services []string) error {
	env := r.twinEnvironment()
	subject, err := env.subject(ctx)
	if err != nil {
		return err
	}
	subject.Services = slices.DeleteFunc(subject.Services, func(s check.Service) bool { return s.OneShot || !slices.Contains(services, s.Name) })
	real, err := r.env.subject(ctx)
	if err != nil {
		return err
	}
	before, err := check.Run(ctx, check.Tests(real), check.Options{Only: []string{"health"}})
	if err != nil {
		return err
	}
	expect(subject.Services, before)
	r.evidence.Checks, _, err = check.Wait(ctx, check.Tests(subject), check.Options{}, check.Patience{Limit: patience})
	return err
}

// errorPrefix marks the lines of a server's log that tell of an error of a client, with the code and the program.
const errorPrefix = "promote-rehearsal %e %a: "

var errorLine = regexp.MustCompile(`promote-rehearsal ([0-9A-Z]{5}) (.*?): (?:ERROR|FATAL|PANIC): +(.*)`)

// complaints are the errors with which the servers answered the present release: what it does by itself fails, whatever its
// checks say.
func (r *rehearser) complaints(ctx context.Context, since time.Time) error {
	seen := map[string]bool{}
	for _, service := range r.databaseServices() {
		c, err := r.container(ctx, service)
		if err != nil {
			return err
		}
		lines, err := r.env.engine.Logs(ctx, c.ID, 0, since)
		if err != nil {
			return err
		}
		for _, line := range lines {
			m := errorLine.FindStringSubmatch(line)
			if m == nil || m[2] == "promote" || !damning(m[1]) {
				continue
			}
			complaint := fmt.Sprintf("the server refuses what the present release sends to the migrated copy (%s)", m[1])
			if strings.HasPrefix(m[1], "42") || m[1] == "23502" { // names of objects, and no values
				complaint += ": " + oneLine(m[3])
			}
			if !seen[complaint] {
				seen[complaint] = true
				r.evidence.Errors = append(r.evidence.Errors, complaint)
			}
		}
	}
	return nil
}

// damning reports whether an error may come from a schema that the program does not know. Lost connections, deadlocks, missing
// resources and cancelled statements do not.
func damning(code string) bool {
	switch code[:2] {
	case "08", "26", "40", "53", "55", "57", "58":
		return false
	}
	return true
}

// withoutRows drops what shows values of rows from the output of a program that migrates.
func withoutRows(lines []string) string {
	var out []string
	for _, line := range lines {
		if strings.Contains(line, "DETAIL") || strings.Contains(line, "Failing row contains") || strings.Contains(line, "Key (") {
			line = "(a line with values of a row is left out)"
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
