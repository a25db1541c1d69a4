package report

import (
	"strings"

	"github.com/org/promote-action/internal/text"
)

// longest is the number of runes that one foreign text may have in a report.
const longest = 2000

// page is a text report in the making.
type page struct {
	options Options
	b       strings.Builder
}

func (p *page) bytes() []byte { return []byte(p.b.String()) }

func (p *page) add(lines ...string) {
	for _, l := range lines {
		p.b.WriteString(l)
		p.b.WriteByte('\n')
	}
}

// line writes spans as a paragraph.
func (p *page) line(indent int, spans ...text.Span) {
	for i := range spans {
		spans[i].Text = bounded(spans[i].Text)
	}
	p.add(p.options.Style.Wrapped(p.options.Width, indent, spans...)...)
}

// heading opens a block.
func (p *page) heading(title string) {
	p.add("")
	p.line(0, text.S(text.Strong, title))
}

func (p *page) table(t *text.Table) {
	if t.Len() > 0 {
		p.add(t.Lines(p.options.Style, p.options.Width)...)
	}
}

// list writes a block of lines under a title, or nothing when there are none.
func (p *page) list(title string, kind text.Kind, items []string) {
	if len(items) == 0 {
		return
	}
	p.heading(title)
	shown, more := head(items, 100)
	for _, item := range shown {
		p.line(2, text.S(kind, "- "), text.S(text.Plain, item))
	}
	if more > 0 {
		p.line(2, text.S(text.Faint, "and "+text.Plural(more, "more line")))
	}
}

// quote writes foreign lines, marked as such; of many the last.
func (p *page) quote(indent int, lines []string, limit int) {
	lines, before := tail(lines, limit)
	if before > 0 {
		p.line(indent, text.S(text.Faint, "│ ("+text.Plural(before, "line")+" before)"))
	}
	for _, l := range lines {
		p.line(indent, text.S(text.Faint, "│ "), text.S(text.Plain, l))
	}
}

// bounded cuts a foreign text that is longer than any report needs.
func bounded(s string) string {
	if len(s) <= longest {
		return s
	}
	n := 0
	for i := range s {
		if n++; n == longest {
			return s[:i] + "…"
		}
	}
	return s
}

// head is at most n items and how many were left out.
func head[T any](items []T, n int) ([]T, int) {
	if len(items) <= n {
		return items, 0
	}
	return items[:n], len(items) - n
}

// tail is the last n lines, clean, each line of what holds several, and how many came before.
func tail(items []string, n int) ([]string, int) {
	var lines []string
	for _, item := range items {
		for l := range strings.Lines(item) {
			lines = append(lines, l)
		}
	}
	before := max(0, len(lines)-n)
	var clean []string
	for _, l := range lines[before:] {
		clean = append(clean, text.Clean(bounded(strings.TrimRight(l, "\r\n"))))
	}
	return clean, before
}
