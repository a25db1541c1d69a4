package journal

import "time"

// clock dates the records of one opened journal. It takes the wall clock's word once, and runs from there with a clock that
// nobody sets; it begins no earlier than the last record. Records are so in the order of their times, and the time between two
// records of one process is what really passed, whatever happens to the host's clock.
type clock struct {
	begin  time.Time
	passed func() time.Duration
}

// clockFrom begins at now, or at the last record where the wall clock was set back behind it. A nil passed is the time since
// this call.
func clockFrom(now, last time.Time, passed func() time.Duration) clock {
	if passed == nil {
		started := time.Now()
		passed = func() time.Duration { return time.Since(started) }
	}
	if now.Before(last) {
		now = last
	}
	return clock{begin: now.UTC().Round(0), passed: passed}
}

func (c clock) now() time.Time { return c.begin.Add(c.passed()) }
