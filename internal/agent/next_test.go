package agent

import (
	"testing"
	"time"
)

func TestWhatAnAgentDoesByItself(t *testing.T) {
	const patience, deadline = 45 * time.Second, 15 * time.Minute
	for name, c := range map[string]struct {
		s    situation
		want move
	}{
		"nobody ever called":                   {situation{Quiet: patience + 1}, leave},
		"nobody has called yet":                {situation{Quiet: patience}, stay},
		"a call is under way":                  {situation{Leaving: true}, stay},
		"said goodbye":                         {situation{Leaving: true, Quiet: 1}, leave},
		"over, the end was not read":           {situation{Open: true, Over: true, Idle: true, Quiet: afterwards}, stay},
		"over and quiet":                       {situation{Open: true, Over: true, Idle: true, Quiet: afterwards + 1}, leave},
		"over, its conclusion is not":          {situation{Open: true, Over: true, Quiet: time.Hour, Leaving: true}, stay},
		"prepared, and the driver is there":    {situation{Open: true, Idle: true, Quiet: patience}, stay},
		"prepared, and the driver is gone":     {situation{Open: true, Idle: true, Quiet: patience + 1}, abandon},
		"prepared, to be carried on later":     {situation{Open: true, Idle: true, Leaving: true, Quiet: 1}, leave},
		"touched, and the driver is gone":      {situation{Open: true, Begun: true, Quiet: time.Hour}, stay},
		"touched, said goodbye":                {situation{Open: true, Begun: true, Idle: true, Leaving: true, Quiet: time.Hour, Rested: deadline}, stay},
		"left between two phases":              {situation{Open: true, Begun: true, Idle: true, Rested: deadline + 1}, goBack},
		"at work for longer than a deadline":   {situation{Open: true, Begun: true, Rested: deadline + 1}, stay},
		"a problem, and nothing is to be done": {situation{Problem: true, Quiet: patience + 1}, leave},
		"a problem, and something unfinished":  {situation{Problem: true, Bound: true, Leaving: true, Quiet: time.Hour}, stay},
	} {
		c.s.Patience = patience
		if c.s.Begun {
			c.s.Deadline = deadline
		}
		if got := c.s.next(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The host's clock has no part in how long nobody called: only what really passed has.
func TestQuietGoesByAStopwatch(t *testing.T) {
	passed := time.Duration(0)
	q := quiet{passed: func() time.Duration { return passed }}
	want := func(what string, want time.Duration) {
		t.Helper()
		if got := q.long(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	passed = time.Minute
	want("since the start", time.Minute)
	q.enter()
	q.enter()
	passed += time.Hour
	q.leave()
	want("while one of two calls is under way", 0)
	q.leave()
	want("at the end of a call", 0)
	passed += 7 * time.Second
	want("after the last call", 7*time.Second)
	if real := newStopwatch(); real() < 0 || real() > time.Hour {
		t.Error("a stopwatch that was just started")
	}
}
