// Package actions speaks the protocol of the GitHub Actions runner: inputs from the environment, outputs and the job
// summary through files, and commands, groups and masks in a log that is one stream. Text that others wrote passes through
// it as text: it can neither give the runner a command nor an output.
package actions

import (
	"strings"

	"github.com/sethvargo/go-githubactions"
)

// commandLine is a workflow command as the runner reads it, with its line break.
func commandLine(name string, properties map[string]string, message string) string {
	c := githubactions.Command{Name: name, Properties: properties, Message: message}
	return c.String() + "\n"
}

// Called reports whether the program runs as the step of an action, and not as a command in a script of one: the runner
// gives inputs to actions only.
func Called(environ []string) bool {
	step := false
	for _, kv := range environ {
		if kv == "GITHUB_ACTIONS=true" {
			step = true
		}
	}
	return step && hasInputs(environ)
}

func hasInputs(environ []string) bool {
	for _, kv := range environ {
		if strings.HasPrefix(kv, inputPrefix) {
			return true
		}
	}
	return false
}
