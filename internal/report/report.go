// Package report writes plans, results, checks and the state of environments for people and for machines. It is pure: what
// it returns depends on its arguments alone, is bounded in size, and is harmless wherever it is shown.
package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/org/promote-action/internal/text"
)

// Format is a form of a report.
type Format string

// The formats.
const (
	Text     Format = "text"
	JSON     Format = "json"
	Markdown Format = "markdown"
	JUnit    Format = "junit"
	HTML     Format = "html"
)

// ErrFormat is a format that does not exist, or that a report does not have.
var ErrFormat = errors.New("unknown format")

// FormatError names what was asked for and what would be accepted.
type FormatError struct {
	Format   string
	Of       string // the kind of report, empty for any
	Accepted []Format
}

func (e *FormatError) Error() string {
	if e.Of == "" {
		return fmt.Sprintf("unknown format %q", e.Format)
	}
	return fmt.Sprintf("a %s has no format %q", e.Of, e.Format)
}

// Hint names the accepted formats.
func (e *FormatError) Hint() string {
	names := make([]string, len(e.Accepted))
	for i, f := range e.Accepted {
		names[i] = string(f)
	}
	return "accepted are " + strings.Join(names, ", ")
}

// Is makes a FormatError an ErrFormat.
func (e *FormatError) Is(target error) bool { return target == ErrFormat }

// ParseFormat reads a format's name. The empty name is text.
func ParseFormat(name string) (Format, error) {
	all := []Format{Text, JSON, Markdown, JUnit, HTML}
	if name == "" {
		return Text, nil
	}
	for _, f := range all {
		if string(f) == name {
			return f, nil
		}
	}
	return "", &FormatError{Format: name, Accepted: all}
}

// SummaryLimit is the default size of Markdown in bytes: below what a job summary may have, with room for what others add.
const SummaryLimit = 1_000_000

// Options say how a report is to look. The zero value is right for a file.
type Options struct {
	Width int        // cells of a line of text; 0: as long as they are
	Style text.Style // of text
	Now   time.Time  // what ages are counted to; zero leaves them out or uses the report's own time
	Limit int        // bytes of Markdown; 0: SummaryLimit
}

// View is something that can be reported: a plan, a result, checks, a status, a history, a list of backups.
type View interface {
	kind() string
	text(*page)
	markdown(*document)
	json() any
}

type junitView interface{ junit() junitSuites }

type htmlView interface{ html(Options) ([]byte, error) }

// Render writes v in the format, ending in a line break. A format that v does not have is an ErrFormat.
func Render(f Format, v View, o Options) ([]byte, error) {
	switch f {
	case Text:
		p := &page{options: o}
		v.text(p)
		return p.bytes(), nil
	case Markdown:
		d := &document{options: o}
		v.markdown(d)
		return d.bytes(), nil
	case JSON:
		return marshal(v.json())
	case JUnit:
		if j, ok := v.(junitView); ok {
			return j.junit().bytes()
		}
	case HTML:
		if h, ok := v.(htmlView); ok {
			return h.html(o)
		}
	}
	return nil, &FormatError{Format: string(f), Of: v.kind(), Accepted: accepted(v)}
}

func accepted(v View) []Format {
	formats := []Format{Text, JSON, Markdown}
	if _, ok := v.(junitView); ok {
		formats = append(formats, JUnit)
	}
	if _, ok := v.(htmlView); ok {
		formats = append(formats, HTML)
	}
	return formats
}
