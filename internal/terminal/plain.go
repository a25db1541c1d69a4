package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// patience is how long something may go on before a line says so.
const patience = 2 * time.Second

// Plain writes a line for every phase that starts or ends and for every step that ends. What takes longer has a line after
// 2 s and then one in every interval, with what it waits for. It may be used by several goroutines.
type Plain struct {
	Style      text.Style
	Timestamps bool // a UTC time before every line

	mu     sync.Mutex
	w      io.Writer
	every  time.Duration
	clock  clock
	phase  promotion.Phase
	phases map[promotion.Phase]time.Time
	step   *slow
	checks tally
	failed string // the failure that was shown last
	waits  map[*slow]bool
	closed bool
}

// slow is something that gets a line when it takes long.
type slow struct {
	*activity
	since time.Time
	timer *time.Timer
}

// NewPlain writes to w; every is the interval of lines about what takes long, 10 s when it is 0.
func NewPlain(w io.Writer, every time.Duration) *Plain {
	if every <= 0 {
		every = 10 * time.Second
	}
	return &Plain{w: w, every: every, clock: clock{now: time.Now}, phases: map[promotion.Phase]time.Time{}, checks: tally{}, waits: map[*slow]bool{}}
}

func (p *Plain) line(spans ...text.Span) {
	if p.Timestamps {
		spans = append([]text.Span{text.S(text.Faint, p.clock.now().UTC().Format("15:04:05 "))}, spans...)
	}
	fmt.Fprintln(p.w, p.Style.Line(spans...))
}

// Event shows one event.
func (p *Plain) Event(e promotion.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clock.hear(e)
	switch e.Type {
	case promotion.PhaseStarted:
		p.phase, p.checks = e.Phase, tally{}
		p.phases[e.Phase] = p.clock.local(e)
		p.line(text.S(text.Strong, string(e.Phase)), text.S(text.Plain, ": started"+about(e.Estimate.Time())))
	case promotion.PhaseEnded:
		p.phaseEnded(e)
	case promotion.StepStarted:
		p.endStep()
		p.step = p.watch(newActivity(e), p.clock.local(e))
	case promotion.StepProgress:
		if p.step != nil && p.step.step == e.Step {
			p.step.progress(e, p.clock.now())
		}
	case promotion.StepEnded:
		p.stepEnded(e)
	case promotion.CheckEnded:
		if c := e.Check; c != nil {
			p.checks[c.Status]++
			if c.Status != promotion.Pass && c.Status != promotion.Skip {
				p.line(append([]text.Span{p.in(e.Phase)}, checkSpans(c)...)...)
			}
		}
	case promotion.Note:
		p.line(p.in(e.Phase), levelSpan(e.Level), text.S(text.Plain, e.Message))
	case promotion.Ended:
		p.endStep()
		p.failure(e)
		kind, words := endedWords(e)
		p.line(text.S(text.Plain, "ended: "), text.S(kind, words))
	}
}

// in is the phase before a line's text.
func (p *Plain) in(phase promotion.Phase) text.Span {
	if phase == "" {
		phase = p.phase
	}
	if phase == "" {
		return text.S(text.Plain, "")
	}
	return text.S(text.Faint, string(phase)+": ")
}

func (p *Plain) phaseEnded(e promotion.Event) {
	p.endStep()
	p.failure(e)
	took := e.Took.Time()
	if began, ok := p.phases[e.Phase]; took == 0 && ok {
		took = p.clock.local(e).Sub(began)
	}
	words := " ended in " + text.Took(took)
	if e.Status == promotion.Skip {
		words = " skipped"
	}
	if n := p.checks.String(); n != "" {
		words += ", " + n
	}
	if e.Message != "" {
		words += ": " + e.Message
	}
	p.line(text.S(text.Strong, string(e.Phase)), text.S(text.Plain, ": "), mark(e.Status, e.Phase == promotion.Rollback), text.S(text.Plain, words))
	p.phase, p.checks = "", tally{}
}

func (p *Plain) stepEnded(e promotion.Event) {
	what, took := e.Step, e.Took.Time()
	if p.step != nil && p.step.step == e.Step {
		what = p.step.what
		if took == 0 {
			took = p.clock.local(e).Sub(p.step.since)
		}
	}
	p.endStep()
	words := " " + what + " (" + text.Took(took) + ")"
	if e.Message != "" && e.Message != what {
		words += ": " + e.Message
	}
	p.line(p.in(e.Phase), mark(e.Status, e.Undo), text.S(text.Plain, words))
	if e.Status == promotion.Fail || e.Status == promotion.Error {
		p.failed = e.Message
	}
	p.failure(e)
}

func (p *Plain) failure(e promotion.Event) {
	if e.Failure == nil {
		return
	}
	words := failureWords(e.Failure)
	if words == p.failed {
		return
	}
	p.failed = words
	p.line(p.in(e.Failure.Phase), text.S(text.Bad, "failed: "), text.S(text.Plain, words))
}

// watch makes lines about what takes long.
func (p *Plain) watch(a *activity, since time.Time) *slow {
	s := &slow{activity: a, since: since}
	s.timer = time.AfterFunc(patience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.closed || (p.step != s && !p.waits[s]) {
			return
		}
		now := p.clock.now()
		words := "… " + s.what + " (" + text.Took(now.Sub(s.since)) + about(s.estimate) + ")"
		if state := s.state(now); state != "" {
			words += ": " + state
		}
		p.line(p.in(s.phase), text.S(text.Plain, words))
		s.timer.Reset(p.every)
	})
	return s
}

func (p *Plain) endStep() {
	if p.step != nil {
		p.step.timer.Stop()
		p.step = nil
	}
}

// Note shows a line of the driver's own. Levels are info, warning and error.
func (p *Plain) Note(level, words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(levelSpan(level), text.S(text.Plain, words))
}

// Wait says what the driver waits for, once it takes longer than 2 s, until done is called.
func (p *Plain) Wait(what string) (done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.watch(&activity{what: what}, p.clock.now())
	p.waits[s] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		s.timer.Stop()
		delete(p.waits, s)
	}
}

// Close ends the lines about what takes long.
func (p *Plain) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.endStep()
	for s := range p.waits {
		s.timer.Stop()
	}
	return nil
}

func about(d time.Duration) string {
	if d < time.Second {
		return ""
	}
	return ", about " + text.About(d)
}
