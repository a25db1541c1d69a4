package actions

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/org/promote-action/internal/redact"
	"github.com/org/promote-action/internal/text"
)

// Log is the log of a step: lines, groups, masks and annotations on one stream, in the order in which they are given. The
// runner handles what a process writes to its error stream before what it wrote to its output, so a mask is only in time
// when it goes down the same stream as what it hides. It may be used by several goroutines.
type Log struct {
	mu     sync.Mutex
	w      io.Writer
	hide   func(string) string
	masked map[string]bool
	open   bool // a group
	err    error
}

// NewLog writes to w. Every text but a mask passes through hide first, which may be nil.
func NewLog(w io.Writer, hide func(string) string) *Log {
	if hide == nil {
		hide = func(s string) string { return s }
	}
	return &Log{w: w, hide: hide, masked: map[string]bool{}}
}

// Err is the first error of the stream. Nothing fails because its log can't be written.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// put writes whole lines at once. The lock is held.
func (l *Log) put(s string) {
	if _, err := io.WriteString(l.w, s); err != nil && l.err == nil {
		l.err = err
	}
}

// Print writes text, line by line, each made harmless: it is shown as it is, and it commands nothing.
func (l *Log) Print(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(s)
}

func (l *Log) print(s string) {
	var b strings.Builder
	for line := range strings.Lines(l.hide(s)) {
		b.WriteString(Harmless(strings.TrimRight(line, "\r\n")) + "\n")
	}
	l.put(b.String())
}

// Harmless is a line as the runner takes for text, whatever was in it.
func Harmless(line string) string { return text.Inert(text.Clean(line)) }

// Mask has the runner mask a secret in all that is logged from now on. Lines shorter than redact.Shortest are not masked:
// every log has them, and an output that holds a masked word is dropped.
func (l *Log) Mask(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if utf8.RuneCountInString(line) < redact.Shortest || l.masked[line] {
			continue
		}
		l.masked[line] = true
		l.put(commandLine("add-mask", nil, line))
	}
}

// Group opens a fold; one that is open ends: groups do not nest.
func (l *Log) Group(title string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endGroup()
	l.put(commandLine("group", nil, Harmless(l.hide(title))))
	l.open = true
}

// EndGroup closes the fold, if one is open.
func (l *Log) EndGroup() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endGroup()
}

func (l *Log) endGroup() {
	if l.open {
		l.put(commandLine("endgroup", nil, ""))
		l.open = false
	}
}

// Writer is the log as a writer of lines. A line without its end waits for it; Close writes what is left.
func (l *Log) Writer() io.WriteCloser { return &lineWriter{log: l} }

// longestLine is the number of bytes after which a line without an end is broken.
const longestLine = 1 << 20

type lineWriter struct {
	mu     sync.Mutex
	log    *Log
	buffer []byte
}

// Write takes all of p and never fails: an error of the stream is kept by the log.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buffer = append(w.buffer, p...)
	end := bytes.LastIndexByte(w.buffer, '\n') + 1
	if end == 0 && len(w.buffer) > longestLine {
		end = len(w.buffer)
	}
	if end > 0 {
		w.log.Print(string(w.buffer[:end]))
		w.buffer = append(w.buffer[:0], w.buffer[end:]...)
	}
	return len(p), nil
}

func (w *lineWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.buffer) > 0 {
		w.log.Print(string(w.buffer))
		w.buffer = nil
	}
	return w.log.Err()
}
