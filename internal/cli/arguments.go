package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// wrapArgs makes a wrong number of arguments of any command a usage error that names the command's help.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			var usage *usageError
			if err == nil || errors.As(err, &usage) {
				return err
			}
			return &usageError{fmt.Sprintf("%s: %s", cmd.CommandPath(), wanted(cmd, args)), "usage: " + cmd.UseLine() + "; more with " + cmd.CommandPath() + " --help"}
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// wanted says which argument is missing or too many, by the words of the usage line.
func wanted(cmd *cobra.Command, args []string) string {
	words := strings.Fields(cmd.Use)[1:]
	for i, word := range words {
		if i >= len(args) && !strings.HasPrefix(word, "[") {
			return "argument " + strings.TrimSuffix(word, "…") + " is missing"
		}
	}
	if len(args) > len(words) {
		return fmt.Sprintf("too many arguments: %q is not expected", args[len(words)])
	}
	return fmt.Sprintf("%d arguments are not accepted", len(args))
}

// known refuses a command that does not exist, with the nearest ones that do.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := cmd.CommandPath() + " --help lists the commands"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	return &usageError{fmt.Sprintf("there is no command %q", args[0]), hint}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Sprintf("%s takes no arguments, got %q", cmd.CommandPath(), args[0]), cmd.CommandPath() + " --help"}
	}
	return nil
}
