package config

import (
	"fmt"
	"regexp"
	"strings"
)

// variable is a legal reference inside the braces: NAME or NAME:-default.
var variable = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)(:-(.*))?$`)

// badReference is a ${…} that has no value. Its texts hold the reference as written and never a value.
type badReference struct {
	reference string // as written
	message   string
	hint      string
}

// expand replaces ${NAME} and ${NAME:-default} in text. An empty variable counts as missing, since that is what a CI
// system makes of a secret that does not exist. $${ stands for ${, and any other $ for itself. A default is not
// expanded again, and neither is a value.
func expand(text string, env Lookup) (string, []badReference) {
	var out strings.Builder
	var bad []badReference
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			out.WriteString(text)
			return out.String(), bad
		}
		if at > 0 && text[at-1] == '$' {
			out.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		out.WriteString(text[:at])
		end := strings.IndexByte(text[at:], '}')
		if end < 0 {
			bad = append(bad, badReference{text[at:], `"${" without "}"`, "write ${NAME} or ${NAME:-default}, and $${ for the two characters themselves"})
			return out.String(), bad
		}
		reference := text[at : at+end+1]
		value, problem := resolve(reference, env)
		out.WriteString(value)
		if problem != nil {
			bad = append(bad, *problem)
		}
		text = text[at+end+1:]
	}
}

func resolve(reference string, env Lookup) (string, *badReference) {
	parts := variable.FindStringSubmatch(reference[2 : len(reference)-1])
	if parts == nil {
		return "", &badReference{reference, "the reference " + quoted(reference) + " is not understood", "write ${NAME} or ${NAME:-default}, and $${ for the two characters themselves"}
	}
	name := parts[1]
	value, set := env(name)
	switch {
	case value != "":
		return value, nil
	case parts[2] != "":
		return parts[3], nil
	case set:
		return "", &badReference{reference, fmt.Sprintf("the environment variable %s is empty", name), fmt.Sprintf("give it a value, or write ${%s:-} where nothing is meant", name)}
	}
	return "", &badReference{reference, fmt.Sprintf("the environment variable %s is not set", name), fmt.Sprintf("set it, or write ${%s:-default}", name)}
}
