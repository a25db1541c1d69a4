package terminal

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// frame is the time between two drawings.
const frame = 100 * time.Millisecond

// Live draws the phases on a terminal: what is over goes into the scrollback, what goes on is redrawn in place below it, at
// most ten times a second and in one write. The cursor is never hidden, so nothing has to be put right when the program is
// killed. It may be used by several goroutines.
type Live struct {
	Style text.Style

	mu      sync.Mutex
	w       io.Writer
	width   func() int
	clock   clock
	stop    chan struct{}
	stopped sync.WaitGroup

	expect   []promotion.Phase
	phase    *activity
	finished [][]text.Span // of the phase that goes on: steps, notes, and checks that did not pass
	step     *activity
	checks   tally
	waits    []*activity
	failed   string
	started  bool // a phase was seen, and the end of the promotion was not

	lines  []string // for the scrollback, not written yet
	drawn  []int    // widths of the lines on the screen that will be redrawn
	last   string   // what was drawn last
	wide   int      // the width it was drawn for
	beat   int
	err    error
	closed bool
}

// NewLive draws to w, whose lines are width() cells wide. Close it in the end.
func NewLive(w io.Writer, width func() int, now func() time.Time) *Live {
	l := &Live{
		w: w, width: width, clock: clock{now: now}, stop: make(chan struct{}), expect: slices.Clone(promotion.Forward), checks: tally{},
	}
	l.stopped.Go(func() {
		tick := time.NewTicker(frame)
		defer tick.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
				l.mu.Lock()
				l.beat++
				l.draw()
				l.mu.Unlock()
			}
		}
	})
	return l
}

// Expect names the phases that are going to run, to be shown as such before they do. Without it all are expected.
func (l *Live) Expect(phases ...promotion.Phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expect = slices.Clone(phases)
}

// Event takes one event in.
func (l *Live) Event(e promotion.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock.hear(e)
	switch e.Type {
	case promotion.PhaseStarted:
		l.leavePhase()
		l.started, l.phase, l.checks, l.finished = true, newActivity(e), tally{}, nil
		l.phase.what = string(e.Phase)
		if i := slices.Index(l.expect, e.Phase); i >= 0 {
			l.expect = l.expect[i+1:]
		}
		if e.Phase == promotion.Rollback {
			l.expect = nil
		}
	case promotion.PhaseEnded:
		l.phaseEnded(e)
	case promotion.StepStarted:
		l.step = newActivity(e)
	case promotion.StepProgress:
		if l.step != nil && l.step.step == e.Step {
			l.step.progress(e, l.clock.now())
		}
	case promotion.StepEnded:
		l.stepEnded(e)
	case promotion.CheckEnded:
		if c := e.Check; c != nil {
			l.checks[c.Status]++
			if c.Status != promotion.Pass && c.Status != promotion.Skip {
				l.finished = append(l.finished, checkSpans(c))
			}
		}
	case promotion.Note:
		spans := []text.Span{levelSpan(e.Level), text.S(text.Plain, e.Message)}
		if l.phase != nil && l.phase.phase == e.Phase {
			l.finished = append(l.finished, spans)
		} else {
			l.print(spans...)
		}
	case promotion.Ended:
		l.failure(e)
		l.leavePhase()
		l.started = false
	}
}

// print puts a line into the scrollback.
func (l *Live) print(spans ...text.Span) {
	l.lines = append(l.lines, l.Style.Wrapped(l.cells(), 0, spans...)...)
}

func (l *Live) cells() int { return max(l.width()-1, 20) }

func (l *Live) phaseEnded(e promotion.Event) {
	took := e.Took.Time()
	if took == 0 && l.phase != nil && l.phase.phase == e.Phase {
		took = l.clock.local(e).Sub(l.clock.local(l.phase.began))
	}
	words := ""
	if e.Status != promotion.Skip {
		words = text.Took(took)
	}
	for _, more := range []string{l.checks.String(), e.Message} {
		if more != "" {
			words = strings.TrimPrefix(words+" · "+more, " · ")
		}
	}
	kind := text.Faint
	if e.Status == promotion.Fail || e.Status == promotion.Error {
		kind = text.Plain
	}
	l.print(mark(e.Status, e.Phase == promotion.Rollback), text.S(text.Strong, " "+text.Pad(string(e.Phase), 10)), text.S(kind, words))
	l.flushSteps()
	l.failure(e)
	l.phase, l.step, l.checks = nil, nil, tally{}
	if i := slices.Index(l.expect, e.Phase); i >= 0 {
		l.expect = slices.Delete(l.expect, i, i+1)
	}
}

// flushSteps puts the finished steps of a phase under its line.
func (l *Live) flushSteps() {
	for _, s := range l.finished {
		l.lines = append(l.lines, l.Style.Wrapped(l.cells(), 4, s...)...)
	}
	l.finished = nil
}

// leavePhase writes what is left of a phase whose end was not heard.
func (l *Live) leavePhase() {
	if l.phase == nil {
		return
	}
	l.print(text.S(text.Caution, "…"), text.S(text.Strong, " "+text.Pad(string(l.phase.phase), 10)), text.S(text.Faint, "its end was not seen"))
	l.flushSteps()
	l.phase, l.step = nil, nil
}

func (l *Live) stepEnded(e promotion.Event) {
	what, took := e.Step, e.Took.Time()
	if l.step != nil && l.step.step == e.Step {
		what = l.step.what
		if took == 0 {
			took = l.clock.local(e).Sub(l.clock.local(l.step.began))
		}
	}
	l.step = nil
	words := what
	if e.Message != "" && e.Message != what {
		words += ": " + e.Message
	}
	kind := text.Faint
	if e.Status == promotion.Fail || e.Status == promotion.Error {
		kind, l.failed = text.Plain, e.Message
	}
	l.finished = append(l.finished, []text.Span{mark(e.Status, e.Undo), text.S(kind, " "), text.S(kind, words+" ("+text.Took(took)+")")})
	if l.phase == nil {
		l.flushSteps()
	}
}

func (l *Live) failure(e promotion.Event) {
	if e.Failure == nil {
		return
	}
	words := failureWords(e.Failure)
	if words == l.failed {
		return
	}
	l.failed = words
	l.print(text.S(text.Bad, "failed: "), text.S(text.Plain, words))
}

// Note shows a line of the driver's own. Levels are info, warning and error.
func (l *Live) Note(level, words string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(levelSpan(level), text.S(text.Plain, words))
}

// Wait shows what the driver waits for until done is called.
func (l *Live) Wait(what string) (done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &activity{what: what, began: promotion.Event{Time: l.clock.now()}}
	l.waits = append(l.waits, a)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waits = slices.DeleteFunc(l.waits, func(x *activity) bool { return x == a })
	}
}

// Close writes what is left and leaves a clean last line. Nothing is drawn after it. It returns the first error of the writer.
func (l *Live) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	l.stopped.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != nil {
		l.leavePhase()
	}
	l.waits, l.step, l.started = nil, nil, false
	l.draw()
	return l.err
}

// draw writes what is over into the scrollback and redraws what goes on.
func (l *Live) draw() {
	block := l.block()
	picture := strings.Join(block, "\n")
	if len(l.lines) == 0 && picture == l.last {
		return
	}
	var b strings.Builder
	width := max(1, l.width())
	up := 0 // rows the last picture takes now: the terminal wraps its lines when it was made narrower
	for _, w := range l.drawn {
		up += 1 + max(0, w-1)/width
	}
	b.WriteByte('\r')
	if up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", up)
	}
	if width != l.wide {
		b.WriteString("\x1b[J") // else a terminal may join rows that it once wrapped
		l.wide = width
	}
	for _, line := range l.lines {
		b.WriteString(line + "\x1b[K\n")
	}
	l.drawn = l.drawn[:0]
	for _, line := range block {
		b.WriteString(line + "\x1b[K\n")
		l.drawn = append(l.drawn, text.Width(plain(line)))
	}
	if len(l.lines)+len(block) < up {
		b.WriteString("\x1b[J")
	}
	l.lines, l.last = nil, picture
	if _, err := io.WriteString(l.w, b.String()); err != nil && l.err == nil {
		l.err = err
	}
}

// plain takes the colours of a painted line away.
func plain(line string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(line, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, line, _ = strings.Cut(after, "m")
	}
}
