package text

import "strings"

// Kind says what a piece of text means; a Style says how that looks.
type Kind int

// The kinds.
const (
	Plain Kind = iota
	Strong
	Faint
	Good
	Bad
	Caution
	Accent
)

// Style turns meaning into looks. The zero value is plain text.
type Style struct{ Colour bool }

// Span is a piece of a line. Its text is cleaned when it is painted.
type Span struct {
	Kind Kind
	Text string
}

// S is a span of the given kind.
func S(kind Kind, s string) Span { return Span{kind, s} }

func (k Kind) code() string {
	switch k {
	case Strong:
		return "1"
	case Faint:
		return "2"
	case Good:
		return "32"
	case Bad:
		return "31"
	case Caution:
		return "33"
	case Accent:
		return "36"
	default:
		return ""
	}
}

// Line paints the spans one after the other as one line without its end: clean, inert, and without blanks at the end.
func (s Style) Line(spans ...Span) string {
	var b strings.Builder
	for i, span := range spans {
		t := Clean(span.Text)
		if i == len(spans)-1 {
			t = strings.TrimRight(t, " ")
		}
		if code := span.Kind.code(); s.Colour && code != "" && t != "" {
			b.WriteString("\x1b[" + code + "m" + t + "\x1b[0m")
			continue
		}
		b.WriteString(t)
	}
	return Inert(b.String())
}

// Fit paints like Line and cuts the line to width cells.
func (s Style) Fit(width int, spans ...Span) string {
	if width <= 0 {
		return s.Line(spans...)
	}
	var kept []Span
	for _, span := range spans {
		t := Clean(span.Text)
		w := Width(t)
		if w > width {
			if width > 0 {
				kept = append(kept, Span{span.Kind, Cut(t, width)})
			} else if len(kept) > 0 {
				last := &kept[len(kept)-1]
				last.Text = Cut(last.Text+" ", max(Width(last.Text), 1))
			}
			return s.Line(kept...)
		}
		kept, width = append(kept, Span{span.Kind, t}), width-w
	}
	return s.Line(kept...)
}

// longestLabel is the width up to which following lines hang under the text and not under its label.
const longestLabel = 12

// Wrapped paints spans as a paragraph of lines of at most width cells, indented alike. All spans but the last are a label: the
// following lines hang under what comes after it, unless it is long. A width of 0 or less makes one line.
func (s Style) Wrapped(width, indent int, spans ...Span) []string {
	blank := func(n int) Span { return S(Plain, strings.Repeat(" ", n)) }
	if width <= 0 || len(spans) == 0 {
		return []string{s.Line(append([]Span{blank(indent)}, spans...)...)}
	}
	room := max(width-indent, 20)
	label, tail := spans[:len(spans)-1], spans[len(spans)-1]
	used := 0
	for _, span := range label {
		used += Width(Clean(span.Text))
	}
	hang := used
	if hang > longestLabel {
		hang = 2
	}
	var lines []string
	for i, l := range wrap(Clean(tail.Text), room-used, room-hang) {
		if i == 0 {
			lines = append(lines, s.Line(append(append([]Span{blank(indent)}, label...), S(tail.Kind, l))...))
			continue
		}
		lines = append(lines, s.Line(blank(indent+hang), S(tail.Kind, l)))
	}
	return lines
}
