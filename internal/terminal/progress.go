package terminal

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
	"github.com/org/promote-action/internal/text"
)

// activity is a phase or a step that goes on.
type activity struct {
	phase    promotion.Phase
	step     string
	what     string // one line
	undo     bool
	began    promotion.Event
	estimate time.Duration

	message     string // what it waits for, as last said
	done, total int64
	unit        string
	samples     []sample
}

type sample struct {
	at   time.Time
	done int64
}

// newActivity is what a started event tells.
func newActivity(e promotion.Event) *activity {
	return &activity{
		phase: e.Phase, step: e.Step, what: cmp.Or(e.Message, e.Step, string(e.Phase)), undo: e.Undo, began: e, estimate: e.Estimate.Time(),
	}
}

// window is the time over which a rate is measured.
const window = 5 * time.Second

func (a *activity) progress(e promotion.Event, at time.Time) {
	if e.Message != "" {
		a.message = e.Message
	}
	if e.Done == 0 && e.Total == 0 {
		return
	}
	if e.Done < a.done {
		a.samples = nil // it began anew
	}
	a.done, a.total, a.unit = e.Done, e.Total, e.Unit
	a.samples = append(a.samples, sample{at, e.Done})
	for len(a.samples) > 2 && at.Sub(a.samples[0].at) > window {
		a.samples = a.samples[1:]
	}
}

// rate is bytes per second lately, 0 where nothing can be said.
func (a *activity) rate(now time.Time) float64 {
	if len(a.samples) < 2 {
		return 0
	}
	first, last := a.samples[0], a.samples[len(a.samples)-1]
	took := last.at.Sub(first.at)
	if took < 200*time.Millisecond || now.Sub(last.at) > window {
		return 0
	}
	return float64(last.done-first.done) / took.Seconds()
}

// figures are amount, share and rate: 3.4 MB of 8.1 MB, 42%, 12 MB/s.
func (a *activity) figures(now time.Time) string {
	if a.done == 0 && a.total == 0 {
		return ""
	}
	amount := func(n int64) string { return fmt.Sprint(n) }
	if a.unit == "bytes" {
		amount = step.Bytes
	}
	var parts []string
	if a.total > 0 && a.done <= a.total {
		parts = append(parts, amount(a.done)+" of "+amount(a.total), fmt.Sprintf("%d%%", a.done*100/a.total))
	} else {
		parts = append(parts, amount(a.done))
	}
	if a.unit != "bytes" && a.unit != "" {
		parts[0] += " " + a.unit
	} else if r := a.rate(now); r > 0 {
		parts = append(parts, step.Bytes(int64(r))+"/s")
	}
	return strings.Join(parts, ", ")
}

// state is the figures and what it waits for.
func (a *activity) state(now time.Time) string {
	figures := a.figures(now)
	if figures != "" && a.message != "" {
		return figures + " · " + a.message
	}
	return cmp.Or(figures, a.message)
}

// mark is the sign of a status; what was undone is no good news.
func mark(s promotion.Status, undo bool) text.Span {
	switch {
	case s == promotion.Pass && undo:
		return text.S(text.Caution, "↺")
	case s == promotion.Pass:
		return text.S(text.Good, "✓")
	case s == promotion.Warn:
		return text.S(text.Caution, "!")
	case s == promotion.Skip:
		return text.S(text.Faint, "–")
	case s == promotion.Error:
		return text.S(text.Bad, "?")
	default:
		return text.S(text.Bad, "✗")
	}
}

// tally counts the checks of a phase.
type tally map[promotion.Status]int

func (t tally) String() string {
	var parts []string
	n := 0
	for _, s := range []promotion.Status{promotion.Pass, promotion.Warn, promotion.Fail, promotion.Error, promotion.Skip} {
		if t[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", t[s], s))
			n += t[s]
		}
	}
	if n == 0 {
		return ""
	}
	return text.Plural(n, "check") + ": " + strings.Join(parts, ", ")
}

// checkSpans is a check that did not pass, in one line.
func checkSpans(c *promotion.Check) []text.Span {
	name := c.Category
	if c.Service != "" {
		name += " " + c.Service
	}
	if c.Name != "" && c.Name != c.Category {
		name += " " + c.Name
	}
	return []text.Span{mark(c.Status, false), text.S(text.Plain, " "), text.S(text.Plain, name+": "+c.Message)}
}

// failureWords is a failure in one line.
func failureWords(f *promotion.Failure) string {
	words := f.Message
	if f.Service != "" && !strings.Contains(words, f.Service) {
		words = f.Service + ": " + words
	}
	return words
}

// levelSpan is how a note begins.
func levelSpan(level string) text.Span {
	switch level {
	case "error":
		return text.S(text.Bad, "error: ")
	case "warning":
		return text.S(text.Caution, "warning: ")
	default:
		return text.S(text.Faint, "note: ")
	}
}

// endedWords says how it ended. The final account is a report of its own.
func endedWords(e promotion.Event) (text.Kind, string) {
	switch e.Outcome {
	case promotion.Done:
		return text.Good, "done"
	case promotion.RolledBack, promotion.Restored:
		return text.Caution, string(e.Outcome)
	default:
		return text.Bad, string(e.Outcome)
	}
}
