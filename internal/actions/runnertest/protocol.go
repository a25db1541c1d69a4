// Package runnertest is the runner's side of an action's protocol, for tests: it reads what a step wrote as strictly as the
// runner does, and starts an action's container the way the runner does.
package runnertest

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// Pair is a name and a value of a file command.
type Pair struct{ Name, Value string }

// ReadPairs reads a file of outputs or state as the runner does. What comes before a bad line counts.
func ReadPairs(data string) ([]Pair, error) {
	var pairs []Pair
	next := func() (string, bool) {
		if data == "" {
			return "", false
		}
		line, rest, _ := strings.Cut(data, "\n")
		data = rest
		return line, true
	}
	for {
		line, ok := next()
		if !ok {
			return pairs, nil
		}
		if line == "" {
			continue
		}
		equals, heredoc := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case equals >= 0 && (heredoc < 0 || equals < heredoc):
			pairs = append(pairs, Pair{line[:equals], line[equals+1:]})
		case heredoc > 0:
			name, delimiter := line[:heredoc], line[heredoc+2:]
			if delimiter == "" {
				return pairs, fmt.Errorf("no delimiter in %q", line)
			}
			var value []string
			for {
				l, ok := next()
				if !ok {
					return pairs, fmt.Errorf("delimiter %q not found", delimiter)
				}
				if l == delimiter {
					break
				}
				value = append(value, l)
			}
			pairs = append(pairs, Pair{name, strings.Join(value, "\n")})
		default:
			return pairs, fmt.Errorf("bad line %q", line)
		}
	}
}

// Command is a workflow command as the runner understood it.
type Command struct {
	Name       string
	Properties map[string]string
	Data       string
}

// ReadCommand says whether the runner takes a line for a command: a new one at its beginning, or an old one anywhere.
func ReadCommand(line string) (Command, bool) {
	if rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::"); ok {
		if head, data, ok := strings.Cut(rest, "::"); ok {
			name, list, _ := strings.Cut(head, " ")
			c := Command{Name: name, Properties: map[string]string{}, Data: unescape(data, "%0D", "\r", "%0A", "\n", "%25", "%")}
			for item := range strings.SplitSeq(list, ",") {
				if k, v, ok := strings.Cut(strings.TrimSpace(item), "="); ok {
					c.Properties[k] = unescape(v, "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
				}
			}
			return c, true
		}
	}
	if _, rest, ok := strings.Cut(line, "##["); ok {
		if head, data, ok := strings.Cut(rest, "]"); ok {
			return Command{Name: strings.Fields(head + " ?")[0], Data: data}, true
		}
	}
	return Command{}, false
}

func unescape(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }

// ReadLog reads a log as the runner does: what people see, with secrets masked from the line after their command on, and the
// commands but masks. Groups that nest or end unopened fail the test.
func ReadLog(t testing.TB, log string) (shown string, commands []Command) {
	t.Helper()
	var b strings.Builder
	var masks []string
	open := false
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		c, is := ReadCommand(line)
		if !is {
			for _, m := range masks {
				line = strings.ReplaceAll(line, m, "***")
			}
			b.WriteString(line + "\n")
			continue
		}
		switch c.Name {
		case "add-mask":
			if len(c.Data) < 4 {
				t.Errorf("the mask %q is too short", c.Data)
			}
			masks = append(masks, c.Data)
			continue
		case "group":
			if open {
				t.Errorf("group %q in a group", c.Data)
			}
			open = true
		case "endgroup":
			if !open {
				t.Error("a group ended that was not open")
			}
			open = false
		case "error", "warning", "notice":
			if open {
				t.Errorf("the %s %q is inside a group", c.Name, c.Data)
			}
		}
		commands = append(commands, c)
	}
	if open {
		t.Error("a group was left open")
	}
	return b.String(), commands
}
