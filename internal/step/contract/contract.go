// Package contract holds what every step.Stack has to keep to. The same tests run on the model of the fault campaign and on a
// real engine, so that what the campaign shows of the model holds for the engine. For tests only.
package contract

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Broken is what is wrong with the new release of a fixture.
type Broken string

// The new releases.
const (
	Fine      Broken = ""
	JobFails  Broken = "the one-shot fails"
	NoStart   Broken = "api does not start"
	Unhealthy Broken = "api is never healthy"
)

// Fixture is a project in which the old release runs: db, api and web, and the one-shot migrate that has ended. The new
// release has another image for each but db, which stays.
type Fixture struct {
	Stack    step.Stack
	Old, New map[string]string // service to image id; db is in Old only
	// Look sees the containers by another way than the stack, one for each service.
	Look func(t *testing.T) map[string]Container
}

// Container is one container as it was seen.
type Container struct {
	ID, Image string
	Running   bool
	Started   string // when it was last; empty where a start makes another container
}

var (
	application = []string{"web", "api"} // dependents first
	promoted    = []string{"web", "api", "migrate"}
)

// Stack tests a stack. Open makes a fixture of its own each time.
func Stack(t *testing.T, open func(t *testing.T, broken Broken) Fixture) {
	for name, test := range map[string]func(*testing.T, func(*testing.T, Broken) Fixture){
		"looking changes nothing":       looks,
		"stopping":                      stops,
		"the new release, and back":     replaces,
		"a one-shot that fails":         failingJob,
		"a release that does not start": func(t *testing.T, o func(*testing.T, Broken) Fixture) { failing(t, o(t, NoStart)) },
		"a release that is never well":  func(t *testing.T, o func(*testing.T, Broken) Fixture) { failing(t, o(t, Unhealthy)) },
		"a context that has ended":      ended,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

func quiet(string) {}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (f Fixture) record(t *testing.T) []byte {
	t.Helper()
	record, err := f.Stack.Record(t.Context())
	must(t, "record", err)
	return record
}

// want are the services as they have to be.
func want(images map[string]string, services ...string) []step.Want {
	var out []step.Want
	for _, s := range services {
		out = append(out, step.Want{Service: s, ImageID: images[s], Timeout: promotion.Milliseconds(10 * time.Second)})
	}
	return out
}

// equal reports whether what runs equals the record.
func (f Fixture) equal(t *testing.T, record []byte, services []string) bool {
	t.Helper()
	items, err := f.Stack.Compare(t.Context(), record, services)
	must(t, "compare", err)
	areas := map[string]int{}
	equal := true
	for _, item := range items {
		areas[item.Area]++
		equal = equal && item.Equal
	}
	if areas["images"] != len(services) || areas["configuration"] != len(services) {
		t.Errorf("compared %v of %d services", areas, len(services))
	}
	return equal
}

func looks(t *testing.T, open func(*testing.T, Broken) Fixture) {
	f := open(t, Fine)
	before := f.Look(t)
	record := f.record(t)
	if !f.equal(t, record, application) {
		t.Error("nothing was touched, and the record differs")
	}
	must(t, "the old release is healthy", f.Stack.WaitHealthy(t.Context(), want(f.Old, "db", "api", "web"), quiet))
	if counts, down, err := f.Stack.Restarts(t.Context(), application); err != nil || len(down) > 0 || len(counts) != 2 {
		t.Errorf("restarts %v, down %v, %v", counts, down, err)
	}
	var service *step.ServiceError
	other := []step.Want{{Service: "api", ImageID: f.New["api"], Timeout: promotion.Milliseconds(time.Second)}}
	if err := f.Stack.WaitHealthy(t.Context(), other, quiet); !errors.As(err, &service) || service.Service != "api" {
		t.Errorf("another image counts as healthy: %v", err)
	}
	if !maps.Equal(before, f.Look(t)) {
		t.Errorf("looking changed %v to %v", before, f.Look(t))
	}
}

func stops(t *testing.T, open func(*testing.T, Broken) Fixture) {
	f := open(t, Fine)
	before, record := f.Look(t), f.record(t)
	stopped, err := f.Stack.Stop(t.Context(), application, quiet)
	must(t, "stop", err)
	if len(stopped) != 2 {
		t.Errorf("stopped %v", stopped)
	}
	now := f.Look(t)
	if now["api"].Running || now["web"].Running || now["api"].ID != before["api"].ID {
		t.Errorf("not stopped: %v", now)
	}
	if now["db"] != before["db"] || now["migrate"] != before["migrate"] {
		t.Errorf("others were touched: %v, before %v", now, before)
	}
	if again, err := f.Stack.Stop(t.Context(), application, quiet); err != nil || len(again) != 0 {
		t.Errorf("stopped once more: %v, %v", again, err)
	}
	if _, down, err := f.Stack.Restarts(t.Context(), application); err != nil || len(down) != 2 {
		t.Errorf("down %v, %v", down, err)
	}
	if f.equal(t, record, application) {
		t.Error("stopped services equal the record of running ones")
	}
	must(t, "restore", f.Stack.Restore(t.Context(), record, application, quiet))
	again := f.Look(t)
	for name, c := range again {
		if c.ID != before[name].ID || c.Running != before[name].Running {
			t.Errorf("what only stood still was made anew: %v, before %v", c, before[name])
		}
	}
	must(t, "restore again", f.Stack.Restore(t.Context(), record, application, quiet))
	if now := f.Look(t); !maps.Equal(now, again) {
		t.Errorf("a second restore changed %v to %v", again, now)
	}
}

func replaces(t *testing.T, open func(*testing.T, Broken) Fixture) {
	f := open(t, Fine)
	before, record := f.Look(t), f.record(t)
	_, err := f.Stack.Stop(t.Context(), application, quiet)
	must(t, "stop", err)
	must(t, "job", f.Stack.RunJob(t.Context(), "migrate", quiet))
	job := f.Look(t)["migrate"]
	if job.Running || job.Image != f.New["migrate"] {
		t.Errorf("the one-shot: %v", job)
	}
	up := step.Up{Services: application, Keep: []string{"db"}, JobsDone: []string{"migrate"}}
	must(t, "up", f.Stack.Up(t.Context(), up, quiet))
	must(t, "the new release is healthy", f.Stack.WaitHealthy(t.Context(), want(f.New, "api", "web"), quiet))
	now := f.Look(t)
	if now["migrate"] != job {
		t.Errorf("the one-shot was run again: %v, was %v", now["migrate"], job)
	}
	if now["db"] != before["db"] {
		t.Errorf("what is kept was touched: %v, before %v", now["db"], before["db"])
	}
	for _, s := range application {
		if now[s].Image != f.New[s] || !now[s].Running {
			t.Errorf("%s: %v", s, now[s])
		}
	}
	must(t, "up again", f.Stack.Up(t.Context(), up, quiet))
	if again := f.Look(t); !maps.Equal(again, now) {
		t.Errorf("a second up changed %v to %v", now, again)
	}
	if f.equal(t, record, application) {
		t.Error("the new release equals the record of the old one")
	}
	f.back(t, record, before)
}

// back discards the new release and brings the old one back, each twice.
func (f Fixture) back(t *testing.T, record []byte, before map[string]Container) {
	t.Helper()
	for range 2 {
		must(t, "discard", f.Stack.Discard(t.Context(), record, promoted, quiet))
		for name, c := range f.Look(t) {
			if slices.Contains(promoted, name) && (c.Running || c.Image != f.Old[name]) {
				t.Errorf("discarded, and %s is %v", name, c)
			}
		}
	}
	must(t, "restore", f.Stack.Restore(t.Context(), record, promoted, quiet))
	now := f.Look(t)
	for name, was := range before {
		if now[name].Image != was.Image || now[name].Running != was.Running {
			t.Errorf("restored, and %s is %v, was %v", name, now[name], was)
		}
	}
	if len(now) != len(before) || now["db"] != before["db"] {
		t.Errorf("restored %v, was %v", now, before)
	}
	if !f.equal(t, record, promoted) {
		t.Error("what was restored differs from the record")
	}
	must(t, "restore again", f.Stack.Restore(t.Context(), record, promoted, quiet))
	if again := f.Look(t); !maps.Equal(again, now) {
		t.Errorf("a second restore changed %v to %v", now, again)
	}
}

func failingJob(t *testing.T, open func(*testing.T, Broken) Fixture) {
	f := open(t, JobFails)
	before, record := f.Look(t), f.record(t)
	_, err := f.Stack.Stop(t.Context(), application, quiet)
	must(t, "stop", err)
	var service *step.ServiceError
	if err := f.Stack.RunJob(t.Context(), "migrate", quiet); !errors.As(err, &service) || service.Service != "migrate" {
		t.Errorf("a one-shot that failed: %v", err)
	}
	f.back(t, record, before)
}

func failing(t *testing.T, f Fixture) {
	before, record := f.Look(t), f.record(t)
	_, err := f.Stack.Stop(t.Context(), application, quiet)
	must(t, "stop", err)
	must(t, "job", f.Stack.RunJob(t.Context(), "migrate", quiet))
	err = f.Stack.Up(t.Context(), step.Up{Services: application, Keep: []string{"db"}, JobsDone: []string{"migrate"}}, quiet)
	if err == nil {
		err = f.Stack.WaitHealthy(t.Context(), want(f.New, "api", "web"), quiet)
	}
	var service *step.ServiceError
	if !errors.As(err, &service) || service.Service != "api" {
		t.Errorf("neither up nor the wait after it names api: %v", err)
	}
	f.back(t, record, before)
}

func ended(t *testing.T, open func(*testing.T, Broken) Fixture) {
	f := open(t, Fine)
	before, record := f.Look(t), f.record(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, do := range map[string]func() error{
		"record":  func() error { _, err := f.Stack.Record(ctx); return err },
		"stop":    func() error { _, err := f.Stack.Stop(ctx, application, quiet); return err },
		"job":     func() error { return f.Stack.RunJob(ctx, "migrate", quiet) },
		"up":      func() error { return f.Stack.Up(ctx, step.Up{Services: application, Keep: []string{"db"}}, quiet) },
		"wait":    func() error { return f.Stack.WaitHealthy(ctx, want(f.Old, "api"), quiet) },
		"compare": func() error { _, err := f.Stack.Compare(ctx, record, application); return err },
	} {
		if do() == nil {
			t.Errorf("%s goes well although its context has ended", what)
		}
	}
	if now := f.Look(t); !maps.Equal(now, before) {
		t.Errorf("changed %v to %v after the context had ended", before, now)
	}
}
