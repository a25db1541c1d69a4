package actions

import (
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/text"
)

// Annotations is how many annotations of one level the runner shows of a step.
const Annotations = 10

// longestAnnotation is the number of characters that an annotation may have.
const longestAnnotation = 4096

// Annotation is a message that the runner shows beside a run, and beside a line of a file where one is named.
type Annotation struct {
	Title   string
	File    string // relative to the repository
	Line    int    // counted from 1; 0: none
	Column  int
	Message string // may have several lines
}

// Error shows an annotation as an error. An open group ends before it, so that it is not folded away.
func (l *Log) Error(a Annotation) { l.annotate("error", a) }

// Warning shows an annotation as a warning.
func (l *Log) Warning(a Annotation) { l.annotate("warning", a) }

func (l *Log) annotate(level string, a Annotation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endGroup()
	properties := map[string]string{}
	if a.Title != "" {
		properties["title"] = Harmless(l.hide(a.Title))
	}
	if a.File != "" {
		properties["file"] = text.Clean(a.File)
		if a.Line > 0 {
			properties["line"] = strconv.Itoa(a.Line)
		}
		if a.Column > 0 {
			properties["col"] = strconv.Itoa(a.Column)
		}
	}
	var lines []string
	for line := range strings.Lines(l.hide(a.Message)) {
		lines = append(lines, Harmless(strings.TrimRight(line, "\r\n")))
	}
	l.put(commandLine(level, properties, cut(strings.Join(lines, "\n"), longestAnnotation)))
}

// cut shortens s to at most n characters.
func cut(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
