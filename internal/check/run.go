package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

const (
	defaultTimeout  = 30 * time.Second
	defaultParallel = 4
	leastTimeout    = time.Second
	grace           = time.Second // for a test to come back after its context ended
)

// Options are how tests are run.
type Options struct {
	Only     []string              // categories; none means all
	Parallel int                   // tests at once; 0 means 4
	AtMost   time.Duration         // shortens the deadline of every test, down to 1 s; 0: no limit
	OnResult func(promotion.Check) // called for each result as it comes, one at a time; may be nil
}

// Run runs the tests and returns their results in the order of tests, however they ended. A test that panics, that gives
// no result by its deadline, or whose context ends before it knows has the status error. The error wraps ErrCategory
// and means that nothing was run.
func Run(ctx context.Context, tests []Test, o Options) ([]promotion.Check, error) {
	chosen, err := choose(tests, o.Only)
	if err != nil {
		return nil, err
	}
	return run(ctx, chosen, o), nil
}

// choose are the tests of the categories in only. A category without a test has one that is skipped, with the reason.
func choose(tests []Test, only []string) ([]Test, error) {
	if len(only) == 0 {
		return tests, nil
	}
	accepted := Categories()
	for _, t := range tests {
		if !slices.Contains(accepted, t.Category) {
			accepted = append(accepted, t.Category)
		}
	}
	wanted := make(map[string]bool)
	for _, name := range only {
		name = strings.TrimSpace(name)
		if !slices.Contains(accepted, name) {
			return nil, fmt.Errorf("check: %w %q (accepted: %s)", ErrCategory, name, strings.Join(accepted, ", "))
		}
		wanted[name] = true
	}
	var chosen []Test
	for _, name := range accepted {
		if !wanted[name] {
			continue
		}
		before := len(chosen)
		for _, t := range tests {
			if t.Category == name {
				chosen = append(chosen, t)
			}
		}
		if len(chosen) == before {
			chosen = append(chosen, Test{Category: name, Name: "tests", Run: func(context.Context) promotion.Check {
				return skipped("nothing of this category is configured")
			}})
		}
	}
	return chosen, nil
}

func run(ctx context.Context, tests []Test, o Options) []promotion.Check {
	results := make([]promotion.Check, len(tests))
	var reporting sync.Mutex
	finish := func(i int) {
		c := one(ctx, tests[i], o.AtMost)
		reporting.Lock()
		defer reporting.Unlock()
		results[i] = c
		if o.OnResult != nil {
			o.OnResult(c)
		}
	}

	parallel := o.Parallel
	if parallel <= 0 {
		parallel = defaultParallel
	}
	free := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, t := range tests {
		if t.Alone {
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			finish(i)
		})
	}
	wg.Wait()
	for i, t := range tests {
		if t.Alone {
			finish(i)
		}
	}
	return results
}

// one runs a test against its deadline.
func one(ctx context.Context, t Test, atMost time.Duration) promotion.Check {
	began := time.Now()
	c := answer(ctx, t, atMost)
	if c.Status == "" {
		c = unknown("the check itself broke: it gave no status")
	}
	c.Category, c.Name, c.Environment = t.Category, t.Name, t.Environment
	c.Service, c.Critical = t.Service, t.Critical
	c.Took = promotion.Milliseconds(time.Since(began))
	return c
}

func answer(ctx context.Context, t Test, atMost time.Duration) promotion.Check {
	if err := ctx.Err(); err != nil {
		return unknown("not run: %v", context.Cause(ctx))
	}
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	if atMost > 0 {
		timeout = min(timeout, max(atMost, leastTimeout))
	}
	own, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result := make(chan promotion.Check, 1)
	go func() { result <- guard(func() promotion.Check { return t.Run(own) }) }()

	var c promotion.Check
	select {
	case c = <-result:
	case <-own.Done():
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case c = <-result:
		case <-late.C:
			c = unknown("gave no result within %s", timeout)
		}
	}
	// What looks like a failure after the caller stopped is most likely only the stopping.
	if ctx.Err() != nil && c.Status != promotion.Pass && c.Status != promotion.Warn {
		return unknown("stopped before it could tell: %v", context.Cause(ctx))
	}
	return c
}
