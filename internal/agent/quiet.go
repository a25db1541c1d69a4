package agent

import (
	"sync/atomic"
	"time"
)

// stopwatch tells how long something has run, by a clock that nobody sets.
type stopwatch func() time.Duration

func newStopwatch() stopwatch {
	started := time.Now()
	return func() time.Duration { return time.Since(started) }
}

// quiet tells how long nobody has called.
type quiet struct {
	passed stopwatch
	calls  atomic.Int64 // under way
	last   atomic.Int64 // end of the last one, by the stopwatch
}

func (q *quiet) enter() { q.calls.Add(1) }

func (q *quiet) leave() {
	q.last.Store(int64(q.passed()))
	q.calls.Add(-1)
}

func (q *quiet) long() time.Duration {
	if q.calls.Load() > 0 {
		return 0
	}
	return q.passed() - time.Duration(q.last.Load())
}
