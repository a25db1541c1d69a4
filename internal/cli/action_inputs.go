package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/actions"
	"github.com/org/promote-action/internal/promotion"
)

// actionCommand is a command as the inputs of the action call it.
type actionCommand struct {
	name    string
	takes   []string // inputs that mean something to it, besides command and config
	needs   []string // inputs that it can't do without
	options []string // inputs that are flags of the same name
	values  []string // inputs that are its arguments, in this order
}

// actionCommands are the commands that input command names.
func actionCommands() []actionCommand {
	return []actionCommand{
		{name: "run", takes: []string{"from", "to", "phase", "id"}, options: []string{"from", "to", "phase", "id"}},
		{name: "plan", takes: []string{"from", "to"}, options: []string{"from", "to"}},
		{name: "test", takes: []string{"environment"}, needs: []string{"environment"}, values: []string{"environment"}},
		{name: "rollback", takes: []string{"to", "id", "discard-writes", "keep-data"}, options: []string{"to", "discard-writes", "keep-data"}, values: []string{"id"}},
		{name: "recover", takes: []string{"to"}, options: []string{"to"}},
		{name: "status", takes: []string{"environment"}, needs: []string{"environment"}, values: []string{"environment"}},
		{name: "history", takes: []string{"to"}, options: []string{"to"}},
		{name: "backup", takes: []string{"environment"}, needs: []string{"environment"}, values: []string{"environment"}},
		{name: "backups"},
		{name: "restore", takes: []string{"environment", "backup"}, needs: []string{"environment", "backup"}, values: []string{"environment", "backup"}},
		{name: "validate"},
	}
}

// actionInputs are the names of all inputs.
func actionInputs() []string {
	names := map[string]bool{"command": true, "config": true}
	for _, c := range actionCommands() {
		for _, name := range c.takes {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// actionArguments are the arguments that the inputs stand for. The error names everything that is wrong with them.
func actionArguments(in actions.Inputs) ([]string, error) {
	c, problems := actionCalled(in)
	if c == nil {
		return nil, &usageError{problems[0], "set input command of the step to one of: " + commandNames()}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		switch {
		case name == "command" || name == "config" || slices.Contains(c.takes, name):
		case slices.Contains(actionInputs(), name):
			problems = append(problems, fmt.Sprintf("input %s means nothing to command %s", name, c.name))
		default:
			problems = append(problems, fmt.Sprintf("there is no input %s", name))
		}
	}
	for _, name := range c.needs {
		if in[name] == "" {
			problems = append(problems, fmt.Sprintf("command %s needs input %s", c.name, name))
		}
	}
	args := []string{c.name}
	for _, name := range append([]string{"config"}, c.options...) {
		value := in[name]
		if value == "" {
			continue
		}
		if name == "discard-writes" || name == "keep-data" {
			if value = strings.ToLower(value); value != "true" && value != "false" {
				problems = append(problems, fmt.Sprintf("input %s is %q: accepted are true and false", name, in[name]))
			}
		}
		args = append(args, "--"+name+"="+value)
	}
	if len(problems) > 0 {
		return nil, &usageError{strings.Join(problems, "; "), fmt.Sprintf("command %s takes the inputs %s", c.name, strings.Join(append(slices.Clone(c.takes), "config"), ", "))}
	}
	args = append(args, "--") // what follows is no flag, whatever it looks like
	for _, name := range c.values {
		if in[name] != "" {
			args = append(args, in[name])
		}
	}
	return args, nil
}

// actionCalled is the command that the inputs name. Phase rollback of a run is the command rollback; where the release came
// from, which every phase of a workflow may well be told, means nothing to it.
func actionCalled(in actions.Inputs) (*actionCommand, []string) {
	name := in["command"]
	if name == "" {
		name = "run"
	}
	if name == "run" && strings.EqualFold(in["phase"], string(promotion.Rollback)) {
		c := find("rollback")
		c.takes = append(c.takes, "from", "phase")
		return c, nil
	}
	if c := find(name); c != nil {
		return c, nil
	}
	return nil, []string{fmt.Sprintf("input command is %q", name)}
}

func find(name string) *actionCommand {
	for _, c := range actionCommands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

func commandNames() string {
	var names []string
	for _, c := range actionCommands() {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}
