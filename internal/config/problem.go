package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Problem is one thing that is wrong with a configuration. Line and Column count from 1; they are 0 for an environment
// variable, which has no file. No field ever holds the value of a ${VAR}.
type Problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"` // where it is in the file's structure: environments.staging.host
	Message string `json:"message"`       // what was found
	Hint    string `json:"hint,omitempty"`
	Source  string `json:"source,omitempty"` // the offending line
}

func (p Problem) Error() string {
	message := p.Message
	if p.Key != "" {
		message = p.Key + ": " + message
	}
	if p.File == "" {
		return message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, message)
}

// Text shows the problem with its line, a caret below the column, and the hint.
func (p Problem) Text() string {
	var b strings.Builder
	b.WriteString(p.Error() + "\n")
	if p.Source != "" {
		number := fmt.Sprintf("%4d", p.Line)
		fmt.Fprintf(&b, "%s | %s\n%s | %s^\n", number, p.Source, strings.Repeat(" ", len(number)), indent(p.Source, p.Column-1))
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
	}
	return b.String()
}

// indent is white space as wide as the first n characters of a line: its tabs stay tabs.
func indent(line string, n int) string {
	runes := []rune(line)
	var b strings.Builder
	for i := range min(n, len(runes)) {
		if runes[i] == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Problems is everything that is wrong with a configuration, in the order of the file.
type Problems []Problem

// Error has one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Text shows each problem with its line and hint, and a count at the end.
func (ps Problems) Text() string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.Text() + "\n")
	}
	if len(ps) == 1 {
		b.WriteString("1 problem\n")
	} else {
		fmt.Fprintf(&b, "%d problems\n", len(ps))
	}
	return b.String()
}

// Secrets that somebody wrote into the file against the rules are not repeated either.
var (
	writtenPassword = regexp.MustCompile(`(?i)(password["']?\s*:\s*["']?)([^\s$"'].*|\$[^{].*)$`)
	urlPassword     = regexp.MustCompile(`(://[^/\s:@]*:)([^$\s@][^\s@]*|\$[^{\s@][^\s@]*)@`)
	privateKey      = regexp.MustCompile(`(?i)AGE-SECRET-KEY-[A-Z0-9-]+`)
)

func masked(text string) string {
	text = privateKey.ReplaceAllString(text, hidden)
	text = urlPassword.ReplaceAllString(text, "${1}"+hidden+"@")
	return writtenPassword.ReplaceAllString(text, "${1}"+hidden)
}
