package check

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a service answers ends in terminals, logs and comments: it is shown as few, short and harmless lines.
const (
	tailLines = 8
	tailWidth = 200 // runes
)

// clean makes s valid UTF-8 and replaces everything that could steer a terminal or reorder a line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == '\u2028', r == '\u2029':
			return '·'
		default:
			return r
		}
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// line is s as one clean line of at most limit runes.
func line(s string, limit int) string {
	s = clean(strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

// tail are the last lines of a text, clean; of something that is no text only its size.
func tail(text []byte) []string {
	if bytes.IndexByte(text, 0) >= 0 {
		return []string{fmt.Sprintf("(%d bytes that are no text)", len(text))}
	}
	var lines []string
	for l := range strings.Lines(string(text)) {
		if l = strings.TrimSpace(l); l != "" {
			lines = append(lines, line(l, tailWidth))
		}
	}
	if n := len(lines); n > tailLines {
		lines = append([]string{fmt.Sprintf("(%d lines before)", n-tailLines)}, lines[n-tailLines:]...)
	}
	return lines
}
