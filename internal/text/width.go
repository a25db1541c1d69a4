package text

import (
	"strings"

	"github.com/mattn/go-runewidth"
)

// cells counts as terminals do by default; the caller's locale plays no part, so that equal input gives equal output.
func cells() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

// Width is the number of cells that s takes.
func Width(s string) int {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return cells().StringWidth(s)
		}
	}
	return len(s)
}

// Cut shortens s to at most width cells, with an ellipsis where something was left out. A width of 0 or less cuts nothing.
func Cut(s string, width int) string {
	if width <= 0 || Width(s) <= width {
		return s
	}
	return cells().Truncate(s, width, "…")
}

// Pad fills s with blanks on its right up to width cells.
func Pad(s string, width int) string {
	if n := width - Width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// Wrap breaks s at blanks into lines of at most width cells, and inside a word where the word alone is longer. A width of 0
// or less breaks nothing.
func Wrap(s string, width int) []string { return wrap(s, width, width) }

// wrap is Wrap with another width for the first line.
func wrap(s string, first, width int) []string {
	if width <= 0 || Width(s) <= first {
		return []string{s}
	}
	var lines []string
	line, used, room := "", 0, first
	for word := range strings.FieldsSeq(s) {
		w := Width(word)
		if used > 0 && used+1+w <= room {
			line, used = line+" "+word, used+1+w
			continue
		}
		if used > 0 || (w > room && len(lines) == 0 && room < width) {
			lines, room = append(lines, line), width
		}
		for w > room {
			head := prefix(word, room)
			lines, word, room = append(lines, head), word[len(head):], width
			w = Width(word)
		}
		line, used = word, w
	}
	if used > 0 || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

// prefix is the longest beginning of s that fits into width cells, at least one rune.
func prefix(s string, width int) string {
	used := 0
	for i, r := range s {
		w := cells().RuneWidth(r)
		if i > 0 && used+w > width {
			return s[:i]
		}
		used += w
	}
	return s
}
