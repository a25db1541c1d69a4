package terminal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// LogName is the name of a log file: PREFIX-YYYYMMDD-HHMMSS.log, in UTC. Prefixes are promotion, promotion-tests,
// env-comparison and dev.
func LogName(prefix string, at time.Time) string {
	return prefix + "-" + at.UTC().Format("20060102-150405") + ".log"
}

// OpenLog opens a log file to append to, readable by its owner alone, and makes its folder.
func OpenLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return f, nil
}

// LogFile writes everything that is heard as lines with their time: all checks, all progress worth a line, failures with
// their log lines. Secrets are masked by the writer it is given, not here. It may be used by several goroutines.
type LogFile struct {
	mu   sync.Mutex
	w    io.Writer
	now  func() time.Time
	said map[string]string // the last message of a step
	err  error
}

// NewLogFile writes to w.
func NewLogFile(w io.Writer, now func() time.Time) *LogFile {
	return &LogFile{w: w, now: now, said: map[string]string{}}
}

func (l *LogFile) line(at time.Time, level, format string, args ...any) {
	if at.IsZero() {
		at = l.now()
	}
	line := at.UTC().Format("2006-01-02T15:04:05.000Z ") + text.Pad(level, 8) + fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(l.w, text.Style{}.Line(text.S(text.Plain, line))); err != nil && l.err == nil {
		l.err = err
	}
}

// Event writes one event.
func (l *LogFile) Event(e promotion.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	undo := ""
	if e.Undo {
		undo = "undo "
	}
	switch e.Type {
	case promotion.PhaseStarted:
		l.line(e.Time, "info", "phase %s started", e.Phase)
	case promotion.PhaseEnded:
		l.line(e.Time, levelOf(e.Status), "phase %s ended: %s in %s%s", e.Phase, e.Status, e.Took, colon(e.Message))
	case promotion.StepStarted:
		l.line(e.Time, "info", "%s: %s%s started%s", e.Phase, undo, e.Step, colon(e.Message))
	case promotion.StepProgress:
		if e.Message != "" && l.said[e.Step] != e.Message {
			l.said[e.Step] = e.Message
			l.line(e.Time, "info", "%s: %s%s: %s", e.Phase, undo, e.Step, e.Message)
		}
	case promotion.StepEnded:
		delete(l.said, e.Step)
		l.line(e.Time, levelOf(e.Status), "%s: %s%s ended: %s in %s%s", e.Phase, undo, e.Step, e.Status, e.Took, colon(e.Message))
	case promotion.CheckEnded:
		if e.Check != nil {
			l.check(e)
		}
	case promotion.Note:
		level := e.Level
		if level == "" {
			level = "info"
		}
		l.line(e.Time, level, "%s", e.Message)
	case promotion.Ended:
		l.line(e.Time, "info", "ended: %s (exit code %d)%s", e.Outcome, e.Outcome.Code(), colon(e.Message))
	}
	if f := e.Failure; f != nil {
		l.line(e.Time, "error", "failed in %s: %s", f.Phase, failureWords(f))
		for _, h := range f.Health {
			l.lines(e.Time, "health", h)
		}
		for _, line := range f.Log {
			l.lines(e.Time, "log", line)
		}
		if f.Hint != "" {
			l.line(e.Time, "info", "hint: %s", f.Hint)
		}
	}
}

func (l *LogFile) check(e promotion.Event) {
	c := e.Check
	name := strings.Join(strings.Fields(strings.Join([]string{c.Environment, c.Category, c.Service, c.Name}, " ")), " ")
	l.line(e.Time, levelOf(c.Status), "check %s: %s%s", name, c.Status, colon(c.Message))
	if c.Hint != "" && c.Status != promotion.Pass {
		l.line(e.Time, "info", "hint: %s", c.Hint)
	}
	for _, d := range c.Detail {
		l.lines(e.Time, "detail", d)
	}
}

func (l *LogFile) lines(at time.Time, kind, s string) {
	for _, line := range text.Lines(s) {
		l.line(at, kind, "| %s", line)
	}
}

// Note writes a line of the driver's own.
func (l *LogFile) Note(level, words string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(time.Time{}, level, "%s", words)
}

// Wait writes what the driver waits for, and how long it took.
func (l *LogFile) Wait(what string) (done func()) {
	began := l.now()
	l.Note("info", "waiting: "+what)
	return func() { l.Note("info", "waited "+text.Took(l.now().Sub(began))+": "+what) }
}

// Close returns the first error of the writer. It does not close it.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return fmt.Errorf("log: %w", l.err)
	}
	return nil
}

func levelOf(s promotion.Status) string {
	switch s {
	case promotion.Fail, promotion.Error:
		return "error"
	case promotion.Warn:
		return "warning"
	default:
		return "info"
	}
}

func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}
