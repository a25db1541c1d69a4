package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/org/promote-action/internal/text"
)

// raw is Markdown that is safe as it stands. Literals are raw by their type; anything else becomes so only through esc and
// code, so the compiler finds what was not escaped.
type raw string

// document is a Markdown report in the making: sections, of which those that do not fit are left out whole.
type document struct {
	options  Options
	sections []*section
}

type section struct {
	title string // as it is named when it is left out; empty: always kept
	b     strings.Builder
}

// section opens a section. The first one should have no title: it is kept whatever its size.
func (d *document) section(title string) *section {
	s := &section{title: title}
	d.sections = append(d.sections, s)
	return s
}

func (d *document) bytes() []byte {
	limit := d.options.Limit
	if limit <= 0 {
		limit = SummaryLimit
	}
	const reserve = 600 // for the word on what was cut
	var b strings.Builder
	var cut []string
	for _, s := range d.sections {
		body := s.bytes()
		if s.title != "" && b.Len()+len(body)+1 > limit-reserve {
			cut = append(cut, s.title)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(body)
	}
	if len(cut) > 0 {
		fmt.Fprintf(&b, "\n_Left out here for their size: %s. The log and the JSON report have all of it._\n", strings.Join(cut, ", "))
	}
	return []byte(b.String())
}

func (s *section) bytes() string {
	var b strings.Builder
	for l := range strings.Lines(s.b.String()) {
		b.WriteString(text.Inert(strings.TrimRight(l, "\n")))
		b.WriteByte('\n')
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// heading writes a title of the given depth.
func (s *section) heading(depth int, parts ...raw) {
	s.line(append([]raw{raw(strings.Repeat("#", depth)), " "}, parts...)...)
	s.b.WriteByte('\n')
}

func (s *section) line(parts ...raw) {
	for _, p := range parts {
		s.b.WriteString(string(p))
	}
	s.b.WriteByte('\n')
}

// para writes a paragraph.
func (s *section) para(parts ...raw) {
	s.line(parts...)
	s.b.WriteByte('\n')
}

// list writes a list of foreign lines, numbered or not.
func (s *section) list(numbered bool, items []string) {
	shown, more := head(items, 200)
	for i, item := range shown {
		mark := raw("- ")
		if numbered {
			mark = raw(fmt.Sprintf("%d. ", i+1))
		}
		s.line(mark, esc(item))
	}
	if more > 0 {
		s.line("- and ", count(more), " more")
	}
	s.b.WriteByte('\n')
}

// most is the number of rows that a table may have.
const most = 500

// table writes rows under a head; a table without rows is not written.
func (s *section) table(head []raw, rows [][]raw) {
	if len(rows) == 0 {
		return
	}
	line := func(cells []raw) {
		s.b.WriteString("|")
		for i := range head {
			cell := raw("")
			if i < len(cells) {
				cell = cells[i]
			}
			s.b.WriteString(" " + string(cell) + " |")
		}
		s.b.WriteByte('\n')
	}
	line(head)
	s.b.WriteString("|" + strings.Repeat(" --- |", len(head)) + "\n")
	for i, row := range rows {
		if i == most {
			s.b.WriteByte('\n')
			s.line("and ", count(len(rows)-most), " more")
			break
		}
		line(row)
	}
	s.b.WriteByte('\n')
}

// fence writes foreign lines as they are, of many the last.
func (s *section) fence(lines []string, limit int) {
	lines, before := tail(lines, limit)
	if len(lines) == 0 {
		return
	}
	fence := fenceOf(lines)
	s.line(raw(fence), "text")
	if before > 0 {
		s.line("(", count(before), " lines before)")
	}
	for _, l := range lines {
		s.line(raw(bounded(l)))
	}
	s.line(raw(fence))
	s.b.WriteByte('\n')
}

// fold hides what body writes under a line that opens it. The line is HTML, where Markdown's escapes would be seen.
func (s *section) fold(summary string, body func()) {
	summary = html.EscapeString(strings.TrimSpace(text.Clean(bounded(summary))))
	s.line("<details><summary>", raw(strings.ReplaceAll(summary, "@", "@\u200b")), "</summary>")
	s.b.WriteByte('\n')
	body()
	s.line("</details>")
	s.b.WriteByte('\n')
}

// fenceOf is a run of backticks longer than any in the lines.
func fenceOf(lines []string) string {
	most := 2
	for _, l := range lines {
		run := 0
		for _, c := range []byte(l) {
			if c != '`' {
				run = 0
				continue
			}
			run++
			most = max(most, run)
		}
	}
	return strings.Repeat("`", most+1)
}

func count(n int) raw { return raw(fmt.Sprint(n)) }

// esc makes foreign text harmless inside a line of Markdown or a cell of a table: it formats nothing, mentions nobody, links
// to nothing but plain addresses, and cannot end what it stands in.
func esc(s string) raw {
	s = strings.TrimSpace(text.Clean(bounded(s)))
	var b strings.Builder
	for i, r := range s {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '|':
			b.WriteString("&#124;")
		case '\\', '`', '*', '_', '[', ']', '~', '$', '!':
			b.WriteRune('\\')
			b.WriteRune(r)
		case '@':
			b.WriteString("@\u200b")
		case '#':
			b.WriteString("\\#\u200b")
		case '-', '+', '=':
			if i == 0 {
				b.WriteRune('\\')
			}
			b.WriteRune(r)
		case '.', ')':
			if i > 0 && strings.Trim(s[:i], "0123456789") == "" && (i+1 == len(s) || s[i+1] == ' ') {
				b.WriteRune('\\') // 1. would open a list
			}
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return raw(b.String())
}

// code is a name as code: between backticks where they can do no harm, else as escaped HTML.
func code(s string) raw {
	s = strings.TrimSpace(text.Clean(bounded(s)))
	if s == "" {
		return ""
	}
	for _, r := range s {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._:/@+=,()-", r) {
			return "<code>" + esc(s) + "</code>"
		}
	}
	return raw("`" + s + "`")
}
