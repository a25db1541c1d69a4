package check

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// after is a test that answers with status after d, or as soon as its context ends.
func after(name string, d time.Duration, status promotion.Status) Test {
	return Test{Category: "health", Name: name, Run: func(ctx context.Context) promotion.Check {
		pause(ctx, d)
		return promotion.Check{Status: status}
	}}
}

func statuses(checks []promotion.Check) string {
	var s []string
	for _, c := range checks {
		s = append(s, c.Name+"="+string(c.Status))
	}
	return strings.Join(s, " ")
}

func TestRunKeepsOrderAndBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, alone atomic.Int32
		var tests []Test
		for i, name := range []string{"a", "b", "c", "d", "e", "f"} {
			tests = append(tests, Test{
				Category: "api", Name: name, Alone: name == "b", Service: "web", Critical: true,
				Environment: "staging", Run: func(ctx context.Context) promotion.Check {
					n := running.Add(1)
					defer running.Add(-1)
					most.Store(max(most.Load(), n))
					pause(ctx, time.Duration(10-i)*time.Second)
					if name == "b" {
						alone.Store(running.Load())
					}
					return passed("%s", name)
				},
			})
		}
		var came []string
		began := time.Now()
		got, err := Run(t.Context(), tests, Options{Parallel: 2, OnResult: func(c promotion.Check) { came = append(came, c.Name) }})
		if err != nil {
			t.Fatal(err)
		}
		if s := statuses(got); s != "a=pass b=pass c=pass d=pass e=pass f=pass" {
			t.Errorf("results in the order of tests: %s", s)
		}
		if most.Load() != 2 {
			t.Errorf("%d tests at once, want 2", most.Load())
		}
		if alone.Load() != 1 || came[len(came)-1] != "b" {
			t.Errorf("b has to run alone and last: %d beside it, order %v", alone.Load(), came)
		}
		if c := got[0]; c.Service != "web" || !c.Critical || c.Environment != "staging" || c.Took.Time() != 10*time.Second {
			t.Errorf("result lacks what the test knows: %+v", c)
		}
		if time.Since(began) > 40*time.Second {
			t.Errorf("took %s", time.Since(began))
		}
	})
}

func TestRunNeverTakesSilenceForAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		defer close(stuck)
		tests := []Test{
			{Category: "api", Name: "panic", Run: func(context.Context) promotion.Check { panic("no such map") }},
			{Category: "api", Name: "silent", Run: func(context.Context) promotion.Check { return promotion.Check{} }},
			{Category: "api", Name: "stuck", Timeout: 3 * time.Second, Run: func(context.Context) promotion.Check {
				<-stuck
				return passed("too late")
			}},
			{Category: "api", Name: "late", Timeout: 3 * time.Second, Run: func(ctx context.Context) promotion.Check {
				<-ctx.Done()
				return failed("no answer")
			}},
		}
		got, _ := Run(t.Context(), tests, Options{})
		if s := statuses(got); s != "panic=error silent=error stuck=error late=fail" {
			t.Error(s)
		}
		if !strings.Contains(got[0].Message, "no such map") || len(got[0].Detail) == 0 {
			t.Errorf("panic without its reason: %+v", got[0])
		}
		if got[2].Message != "gave no result within 3s" {
			t.Error(got[2].Message)
		}
	})
}

func TestRunStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(2*time.Second, func() { cancel(errors.New("asked to stop")) })
		tests := []Test{after("quick", time.Second, promotion.Pass), after("slow", time.Minute, promotion.Fail), after("next", time.Second, promotion.Pass)}
		got, err := Run(ctx, tests, Options{Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		if s := statuses(got); s != "quick=pass slow=error next=error" {
			t.Error(s)
		}
		if got[1].Message != "stopped before it could tell: asked to stop" || got[2].Message != "not run: asked to stop" {
			t.Errorf("%q, %q", got[1].Message, got[2].Message)
		}
	})
}

func TestRunOnly(t *testing.T) {
	tests := []Test{
		{Category: "health", Name: "h", Run: func(context.Context) promotion.Check { return passed("") }},
		{Category: "load", Name: "l", Run: func(context.Context) promotion.Check { return passed("") }},
	}
	_, err := Run(t.Context(), tests, Options{Only: []string{"helth"}})
	if !errors.Is(err, ErrCategory) || err.Error() != `check: unknown category "helth" (accepted: health, api, database, custom, load)` {
		t.Errorf("%v", err)
	}
	got, err := Run(t.Context(), tests, Options{Only: []string{" load", "custom"}})
	if err != nil || statuses(got) != "tests=skip l=pass" {
		t.Errorf("%s %v", statuses(got), err)
	}
}

func TestWait(t *testing.T) {
	// becomes is a test that fails until d has passed, and again from until on.
	becomes := func(name string, begin time.Time, d, until time.Duration) Test {
		return Test{Category: "health", Name: name, Run: func(context.Context) promotion.Check {
			if at := time.Since(begin); at < d || until > 0 && at >= until {
				return failed("not at %s", at)
			}
			return passed("")
		}}
	}
	for _, test := range []struct {
		name     string
		tests    func(begin time.Time) []Test
		attempts int
		want     string
		took     time.Duration
	}{
		{"at once", func(b time.Time) []Test { return []Test{becomes("a", b, 0, 0)} }, 1, "a=pass", 0},
		{"after a while, and all together at the end", func(b time.Time) []Test {
			return []Test{becomes("a", b, 0, 0), becomes("b", b, 3*time.Second, 0)}
		}, 5, "a=pass b=pass", 3 * time.Second},
		{"never", func(b time.Time) []Test { return []Test{becomes("a", b, time.Hour, 0), becomes("b", b, 0, 0)} }, 11, "a=fail b=pass", 10 * time.Second},
		{"one breaks while the other comes", func(b time.Time) []Test {
			return []Test{becomes("a", b, 0, 2*time.Second), becomes("b", b, 3*time.Second, 0)}
		}, 12, "a=fail b=pass", 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var seen []int
				got, attempts, err := Wait(t.Context(), test.tests(begin), Options{}, Patience{
					Interval: time.Second, Limit: 10 * time.Second,
					OnAttempt: func(n int, results []promotion.Check) { seen = append(seen, n) },
				})
				if err != nil || statuses(got) != test.want || attempts != test.attempts || time.Since(begin) != test.took {
					t.Errorf("%s after %d attempts and %s: %v; want %s after %d and %s",
						statuses(got), attempts, time.Since(begin), err, test.want, test.attempts, test.took)
				}
				if len(seen) != attempts || !slices.IsSorted(seen) {
					t.Errorf("attempts reported: %v", seen)
				}
			})
		})
	}
}

func TestWaitStopsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		got, attempts, _ := Wait(ctx, []Test{after("a", 0, promotion.Fail)}, Options{}, Patience{Interval: time.Second, Limit: time.Hour})
		if statuses(got) != "a=fail" || attempts != 3 {
			t.Errorf("%s after %d", statuses(got), attempts)
		}
	})
}

func TestWaitShortensDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		got, _, _ := Wait(t.Context(), []Test{after("hangs", time.Hour, promotion.Fail)}, Options{}, Patience{Interval: time.Second, Limit: 5 * time.Second})
		if statuses(got) != "hangs=fail" || time.Since(begin) != 5*time.Second {
			t.Errorf("%s in %s", statuses(got), time.Since(begin))
		}
	})
}
