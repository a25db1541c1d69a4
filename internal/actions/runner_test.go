package actions

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
)

// This file is the runner's side of the protocol, as strict as the runner is.

// pair is a name and a value of a file command.
type pair struct{ name, value string }

// readPairs reads a file of outputs or state as the runner does. What comes before a bad line counts.
func readPairs(data string) ([]pair, error) {
	var pairs []pair
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
			pairs = append(pairs, pair{line[:equals], line[equals+1:]})
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
			pairs = append(pairs, pair{name, strings.Join(value, "\n")})
		default:
			return pairs, fmt.Errorf("bad line %q", line)
		}
	}
}

// command is a workflow command as the runner understood it.
type command struct {
	name       string
	properties map[string]string
	data       string
}

// readCommand says whether the runner takes a line for a command: a new one at its beginning, or an old one anywhere.
func readCommand(line string) (command, bool) {
	if rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::"); ok {
		if head, data, ok := strings.Cut(rest, "::"); ok {
			name, list, _ := strings.Cut(head, " ")
			c := command{name: name, properties: map[string]string{}, data: unescape(data, "%0D", "\r", "%0A", "\n", "%25", "%")}
			for item := range strings.SplitSeq(list, ",") {
				if k, v, ok := strings.Cut(strings.TrimSpace(item), "="); ok {
					c.properties[k] = unescape(v, "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
				}
			}
			return c, true
		}
	}
	if _, rest, ok := strings.Cut(line, "##["); ok {
		if head, data, ok := strings.Cut(rest, "]"); ok {
			return command{name: strings.Fields(head + " ?")[0], data: data}, true
		}
	}
	return command{}, false
}

func unescape(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }

// readLog reads a log as the runner does: what people see, with secrets masked from the line after their command on, and the
// commands but masks. Groups that nest or end unopened fail the test.
func readLog(t *testing.T, log string) (shown string, commands []command) {
	t.Helper()
	var b strings.Builder
	var masks []string
	open := false
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		c, is := readCommand(line)
		if !is {
			for _, m := range masks {
				line = strings.ReplaceAll(line, m, "***")
			}
			b.WriteString(line + "\n")
			continue
		}
		switch c.name {
		case "add-mask":
			if len(c.data) < 4 {
				t.Errorf("the mask %q is too short", c.data)
			}
			masks = append(masks, c.data)
			continue
		case "group":
			if open {
				t.Errorf("group %q in a group", c.data)
			}
			open = true
		case "endgroup":
			if !open {
				t.Error("a group ended that was not open")
			}
			open = false
		case "error", "warning", "notice":
			if open {
				t.Errorf("the %s %q is inside a group", c.name, c.data)
			}
		}
		commands = append(commands, c)
	}
	if open {
		t.Error("a group was left open")
	}
	return b.String(), commands
}
