package compose

import (
	"maps"
	"slices"

	"github.com/org/promote-action/internal/engine"
)

// levels groups names so that everything a name needs stands in an earlier group. needs may be cyclic or name strangers:
// neither is an error here, the members of a cycle come last together.
func levels(names []string, needs map[string][]string) [][]string {
	left := map[string]bool{}
	for _, n := range names {
		left[n] = true
	}
	var out [][]string
	for len(left) > 0 {
		var level []string
		for n := range left {
			if !slices.ContainsFunc(needs[n], func(d string) bool { return d != n && left[d] }) {
				level = append(level, n)
			}
		}
		if len(level) == 0 {
			level = slices.Collect(maps.Keys(left))
		}
		slices.Sort(level)
		for _, n := range level {
			delete(left, n)
		}
		out = append(out, level)
	}
	return out
}

// needsOf reads from the containers which service needs which.
func needsOf(cs []engine.Container) map[string][]string {
	out := map[string][]string{}
	for _, c := range cs {
		for _, d := range c.DependsOn {
			if !slices.Contains(out[c.Service], d.Service) {
				out[c.Service] = append(out[c.Service], d.Service)
			}
		}
	}
	return out
}
