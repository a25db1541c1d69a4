package terminal

import (
	"fmt"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// mostSteps is the number of finished steps that the block shows, so that it fits on a small terminal.
const mostSteps = 5

// block is what goes on now, as lines: at most 18.
func (l *Live) block() []string {
	now := l.clock.now()
	width := l.cells()
	var lines []string
	add := func(spans ...text.Span) { lines = append(lines, l.Style.Fit(width, spans...)) }
	spin := text.S(text.Accent, l.spinner())

	if p := l.phase; p != nil {
		words := text.Took(l.elapsed(p, now))
		if p.estimate >= time.Second {
			words += " of about " + text.About(p.estimate)
		}
		if n := l.checks.String(); n != "" {
			words += " · " + n
		}
		add(spin, text.S(text.Strong, " "+text.Pad(string(p.phase), 10)), text.S(text.Faint, words))
		l.blockSteps(add)
	}
	if s := l.step; s != nil {
		took := " " + text.Took(l.elapsed(s, now))
		if s.estimate >= time.Second {
			took += " of about " + text.About(s.estimate)
		}
		what := text.Cut(text.Clean(s.what), max(width-6-text.Width(took), 20))
		add(text.S(text.Plain, "    "), spin, text.S(text.Plain, " "+what), text.S(text.Faint, took))
		if state := s.state(now); state != "" {
			add(text.S(text.Plain, "      "), text.S(text.Accent, state))
		}
	}
	for i, w := range l.waits {
		if i == 3 {
			break
		}
		add(spin, text.S(text.Plain, " "+w.what+" "), text.S(text.Faint, text.Took(l.elapsed(w, now))))
	}
	if l.started {
		for _, p := range l.expect {
			if p != promotion.Rollback {
				add(text.S(text.Faint, "· "+string(p)))
			}
		}
	}
	return lines
}

// blockSteps shows the last finished steps of the phase.
func (l *Live) blockSteps(add func(...text.Span)) {
	shown := l.finished
	if n := len(shown) - mostSteps; n > 0 {
		shown = shown[n:]
		add(text.S(text.Faint, fmt.Sprintf("    … %d before", n)))
	}
	for _, s := range shown {
		add(append([]text.Span{text.S(text.Plain, "    ")}, s...)...)
	}
}

func (l *Live) elapsed(a *activity, now time.Time) time.Duration {
	return max(0, now.Sub(l.clock.local(a.began))).Truncate(frame)
}

func (l *Live) spinner() string {
	const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	runes := []rune(frames)
	return string(runes[l.beat%len(runes)])
}
