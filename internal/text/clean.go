// Package text lays words out for people: harmless lines, widths as a terminal counts them, colours and tables. It is pure,
// and what passes through it can neither steer a terminal nor command a workflow runner.
package text

import (
	"strings"
	"unicode"
)

// Clean makes s one harmless line of valid UTF-8: tabs and line breaks become a blank, other control and format characters
// a dot.
func Clean(s string) string {
	harmless := true
	for _, r := range s {
		if r == unicode.ReplacementChar || !printable(r) {
			harmless = false
			break
		}
	}
	if harmless {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return ' '
		case !printable(r):
			return '·'
		default:
			return r
		}
	}, strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\uFFFD"))
}

// printable reports whether r stands for itself and moves nothing: no control character, no mark that reorders or hides text.
func printable(r rune) bool {
	if r < 0x7f {
		return r >= 0x20
	}
	return !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) && r != '\u2028' && r != '\u2029'
}

// Lines splits s at its line breaks and cleans each; a break at the end opens no further line.
func Lines(s string) []string {
	var lines []string
	for l := range strings.Lines(s) {
		lines = append(lines, Clean(strings.TrimRight(l, "\r\n")))
	}
	return lines
}

// Inert breaks what a workflow runner would take for a command in a finished line: `##[` anywhere, and `::` as its first word.
func Inert(line string) string {
	line = strings.ReplaceAll(line, "##[", "##\u200b[")
	if rest := strings.TrimLeftFunc(line, unicode.IsSpace); strings.HasPrefix(rest, "::") {
		line = line[:len(line)-len(rest)] + ":\u200b" + rest[1:]
	}
	return line
}
