package actions

import "strings"

const inputPrefix = "INPUT_"

// Inputs are the inputs of a step by their names in lower case, with their hyphens; values are without blanks around them.
// An input that is empty is not in it: the runner gives those that nobody set as empty ones.
type Inputs map[string]string

// ReadInputs finds the inputs among the variables of the process. The two that the runner accepts for every action, args and
// entrypoint, are its own business and left out.
func ReadInputs(environ []string) Inputs {
	inputs := Inputs{}
	for _, kv := range environ {
		key, value, ok := strings.Cut(kv, "=")
		name, is := strings.CutPrefix(key, inputPrefix)
		if !ok || !is {
			continue
		}
		name = strings.ToLower(name)
		if value = strings.TrimSpace(value); value == "" || name == "args" || name == "entrypoint" {
			continue
		}
		inputs[name] = value
	}
	return inputs
}
