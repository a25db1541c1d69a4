package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// configurationArea compares what each service is given on both sides.
func configurationArea(in Input) areaFindings {
	a := area(Configuration)
	if in.From == nil || in.To == nil {
		missSides(a, in)
		return *a
	}
	for _, s := range in.sides() {
		if s.Details == nil {
			a.miss("the configuration of "+s.Environment+" was not read", "")
		}
	}
	if in.From.Details == nil || in.To.Details == nil {
		return *a
	}
	c := configurations{areaFindings: a, in: in, tokens: foreignTokens(in), compared: in.From.Details.Keyed == in.To.Details.Keyed}
	var both []string
	for _, name := range serviceNames(in.From) {
		if c.service(name) {
			both = append(both, name)
		}
	}
	if len(both) == 0 {
		a.miss("no service runs on both sides, so that no configuration could be compared", "")
	}
	c.networks(both)
	return *a
}

// configurations compares the configurations of an input's services.
type configurations struct {
	*areaFindings
	in       Input
	tokens   []string // words that name the source and not the target
	compared bool     // both sides' hashes were made with one key
}

// service compares one that the source runs. It is false where there is nothing to compare it with.
func (c *configurations) service(name string) bool {
	from, _ := c.in.From.Service(name)
	to, runs := c.in.To.Service(name)
	planned, isPlanned := c.in.Planned[name]
	if !runs && !isPlanned {
		c.add("configuration.keys", "configuration-unknown", name, Warn,
			fmt.Sprintf("%s is new at the target: what it will be given there is not known", name), "look that the target's files set what "+name+" needs")
		return false
	}
	fromConfig, ok := c.config(c.in.From, name)
	if !ok {
		return true
	}
	toConfig := snapshot.Config{}
	if runs {
		if toConfig, ok = c.config(c.in.To, name); !ok {
			return true
		}
	}
	variables := toConfig.Variables
	if isPlanned {
		variables = slices.DeleteFunc(slices.Clone(variables), func(v snapshot.Variable) bool { return !v.Image })
		variables = append(variables, planned...)
	}
	kept := from.Database || to.Database
	c.variables(name, kept, fromConfig, toConfig, variables)
	if runs {
		c.mounts(name, fromConfig, toConfig)
		c.limits(name, from, fromConfig, toConfig)
		c.runtime(name, fromConfig, toConfig)
	}
	return true
}

// config is what was read of a service, and whether that was all.
func (c *configurations) config(s *snapshot.Snapshot, name string) (snapshot.Config, bool) {
	config, ok := s.Details.Configs[name]
	if !ok {
		c.miss(fmt.Sprintf("the configuration of %s in %s was not read", name, s.Environment), "")
		return config, false
	}
	for _, why := range sorted(config.Errors) {
		c.miss(fmt.Sprintf("the configuration of %s in %s was not read in full: %s", name, s.Environment, why), "")
	}
	return config, true
}

// sameEnvironment says that both sides are one environment, whose values are its own on both.
func (c *configurations) sameEnvironment() bool {
	return c.in.From.Project == c.in.To.Project && c.in.From.Engine.ID == c.in.To.Engine.ID
}

// report takes a finding with both values, cut to what a reader needs.
func (c *configurations) report(objective, kind, subject string, severity Severity, from, to, message, do string) {
	f := c.add(objective, kind, subject, severity, message, do)
	f.From, f.To = clip(from), clip(to)
}

// maxShown is how much of a value a finding holds, in bytes.
const maxShown = 500

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + fmt.Sprintf("… (%d bytes)", len(s))
}

// foreignTokens are the words of the source's names that are none of the target's: in a value of the target they mean
// that it points at the source.
func foreignTokens(in Input) []string {
	long := map[string]string{"dev": "development", "stage": "staging", "prod": "production", "test": "testing"}
	of := func(s *snapshot.Snapshot) map[string]bool {
		out := map[string]bool{}
		for _, word := range tokensOf(s.Environment + " " + s.Project) {
			out[word] = true
			for short, whole := range long {
				if word == short || word == whole {
					out[short], out[whole] = true, true
				}
			}
		}
		return out
	}
	to := of(in.To)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(of(in.From))), func(word string) bool { return len(word) < 3 || to[word] })
}

// tokensOf are the words of letters and digits in a text, in lower case.
func tokensOf(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9')
	})
}
