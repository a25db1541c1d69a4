package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// flagsArea puts the feature flags of both sides beside each other. Differing flags are expected; what is not is a flag
// that is on where the release was tested and unknown where it goes, or on there and off where it was tested.
func flagsArea(in Input) areaFindings {
	a := area(Flags)
	if in.From == nil || in.To == nil {
		missSides(a, in)
		return *a
	}
	for _, s := range in.sides() {
		if s.Details == nil {
			a.miss("the flags of "+s.Environment+" were not read", "")
		}
	}
	if in.From.Details == nil || in.To.Details == nil {
		return *a
	}
	names := sorted(slices.Concat(in.FlagSources, sourceNames(in.From), sourceNames(in.To)))
	if len(names) == 0 {
		a.skip("no source of flags is configured")
		return *a
	}
	for _, name := range names {
		from, fromOK := flagSource(a, in.From, name)
		to, toOK := flagSource(a, in.To, name)
		if fromOK && toOK {
			compareFlags(a, in, name, from, to)
		}
	}
	return *a
}

func sourceNames(s *snapshot.Snapshot) []string {
	var names []string
	for _, source := range s.Details.Flags {
		names = append(names, source.Name)
	}
	return names
}

// flagSource are the flags of one source by name, all entries of that name together.
func flagSource(a *areaFindings, s *snapshot.Snapshot, name string) (flags map[string]snapshot.Flag, ok bool) {
	found := false
	flags, ok = map[string]snapshot.Flag{}, true
	for _, source := range s.Details.Flags {
		if source.Name != name {
			continue
		}
		found = true
		if source.Error != "" {
			a.miss(fmt.Sprintf("the flags of %s in %s could not be read: %s", name, s.Environment, source.Error), "see compare.flags in the configuration")
			ok = false
		}
		for _, f := range source.Flags {
			if known, twice := flags[f.Name]; !twice || f.Value < known.Value {
				flags[f.Name] = f
			}
		}
	}
	if !found {
		a.miss(fmt.Sprintf("the flags of %s in %s were not read", name, s.Environment), "see compare.flags in the configuration")
	}
	return flags, ok && found
}

func compareFlags(a *areaFindings, in Input, source string, from, to map[string]snapshot.Flag) {
	var names []string
	for name := range from {
		names = append(names, name)
	}
	for name := range to {
		names = append(names, name)
	}
	for _, name := range sorted(names) {
		f, isFrom := from[name]
		t, isTo := to[name]
		subject := source + "/" + name
		report := func(objective, kind string, severity Severity, message, do string) {
			finding := a.add(objective, kind, subject, severity, message, do)
			finding.From, finding.To = f.Value, t.Value
		}
		switch {
		case isFrom && isTo && f.Value == t.Value:
		case !isTo && on(f):
			report("flags.known", "flag-unknown", Warn, fmt.Sprintf("flag %s of %s is on in %s and unknown in %s", name, source, in.From.Environment, in.To.Environment),
				"create it in "+in.To.Environment+", or turn it off in "+in.From.Environment+" and test again")
		case !isTo:
			report("flags.known", "flag-new", Info, fmt.Sprintf("flag %s of %s is off in %s and unknown in %s", name, source, in.From.Environment, in.To.Environment), "")
		case on(t) && (!isFrom || !on(f)):
			report("flags.tested", "flag-untested", Warn, fmt.Sprintf("flag %s of %s is on in %s and %s in %s: the release was not tested with it", name, source, in.To.Environment, offOrUnknown(isFrom), in.From.Environment),
				"turn it on in "+in.From.Environment+" and test again")
		case !isFrom:
			report("flags.tested", "flag-extra", Info, fmt.Sprintf("flag %s of %s is off in %s and unknown in %s", name, source, in.To.Environment, in.From.Environment), "")
		default:
			report("flags.tested", "flag-differs", Info, fmt.Sprintf("flag %s of %s differs", name, source), "")
		}
	}
}

func offOrUnknown(known bool) string {
	if known {
		return "off"
	}
	return "unknown"
}

// on says whether a flag is: a variant that is no word for off is on.
func on(f snapshot.Flag) bool {
	return !slices.Contains([]string{"", "off", "false", "0", "no", "disabled", "none", "null"}, strings.ToLower(strings.TrimSpace(f.Value)))
}
