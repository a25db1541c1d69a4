package report

import (
	"errors"
	"strings"

	"github.com/org/promote-action/internal/text"
)

// Error writes an error for a person: `error: …`, then `hint: …` from the first error in it that has a method
// Hint() string, each clean and ending in a line break. No error is no text.
func Error(err error, style text.Style) string {
	if err == nil {
		return ""
	}
	var b strings.Builder
	labelled(&b, style, text.S(text.Bad, "error: "), err.Error())
	if hinted, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		if hint := hinted.Hint(); hint != "" {
			labelled(&b, style, text.S(text.Accent, "hint: "), hint)
		}
	}
	return b.String()
}

func labelled(b *strings.Builder, style text.Style, label text.Span, s string) {
	for i, l := range text.Lines(s) {
		if i == 0 {
			b.WriteString(style.Line(label, text.S(text.Plain, l)))
		} else {
			b.WriteString(style.Line(text.S(text.Plain, strings.Repeat(" ", len(label.Text))), text.S(text.Plain, l)))
		}
		b.WriteByte('\n')
	}
}
