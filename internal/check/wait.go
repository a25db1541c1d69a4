package check

import (
	"context"
	"slices"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// Patience is how long failing tests are repeated.
type Patience struct {
	Interval  time.Duration // between the end of an attempt and the next; 0 means 1 s
	Limit     time.Duration // no attempt starts after this, and deadlines are shortened to it; 0: one attempt
	OnAttempt func(attempt int, results []promotion.Check)
}

// Wait runs the tests and repeats those that fail, can't tell or were skipped until none fails, the limit is reached or
// ctx ends. When it took more than one attempt, all tests run once more at the end, even beyond the limit, so that what is
// returned as good was good at one time. It returns the last results in the order of tests, and the number of attempts.
func Wait(ctx context.Context, tests []Test, o Options, p Patience) ([]promotion.Check, int, error) {
	chosen, err := choose(tests, o.Only)
	if err != nil {
		return nil, 0, err
	}
	interval := p.Interval
	if interval <= 0 {
		interval = time.Second
	}
	end := time.Now().Add(p.Limit)
	results := make([]promotion.Check, len(chosen))
	for attempt, whole := 1, true; ; attempt++ {
		var again []int
		for i := range chosen {
			if whole || open(results[i]) {
				again = append(again, i)
			}
		}
		subset := make([]Test, len(again))
		for n, i := range again {
			subset[n] = chosen[i]
		}
		limited := o
		if p.Limit > 0 && (attempt == 1 || !whole) {
			limited.AtMost = max(time.Until(end), leastTimeout)
		}
		for n, c := range run(ctx, subset, limited) {
			results[again[n]] = c
		}
		if p.OnAttempt != nil {
			p.OnAttempt(attempt, slices.Clone(results))
		}
		good := len(promotion.Blocking(results)) == 0
		if good && whole {
			return results, attempt, nil
		}
		whole = good
		if good {
			continue
		}
		if time.Until(end) < interval || !pause(ctx, interval) {
			return results, attempt, nil
		}
	}
}

// open reports whether a result may become another one.
func open(c promotion.Check) bool {
	return c.Status != promotion.Pass && c.Status != promotion.Warn
}

// pause waits for d and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
