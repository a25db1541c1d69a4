// Package promotion holds what one promotion is as data: its phases, events, outcome and result. Nothing here does
// anything; the packages that decide, run, render and send all speak in these types.
package promotion

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Phase is one of the seven parts of a promotion.
type Phase string

// The seven phases.
const (
	Preflight Phase = "preflight"
	Test      Phase = "test"
	Backup    Phase = "backup"
	Shutdown  Phase = "shutdown"
	Deploy    Phase = "deploy"
	Verify    Phase = "verify"
	Rollback  Phase = "rollback"
)

// Forward is the order of the phases of a promotion that goes well.
var Forward = []Phase{
	Preflight, // everything that can be known to fail is found before anything is touched
	Test,      // only what works in the source environment is worth moving
	Backup,    // the way back exists, is verified and is off the machine before it is needed
	Shutdown,  // nothing writes any more, so the copy of the data is the last word of the old release
	Deploy,    // the tested bytes start with the target's own configuration
	Verify,    // what runs is what was promoted, and it works
}

// Mutates reports whether the phase changes the target's running services or data.
func (p Phase) Mutates() bool {
	return p == Shutdown || p == Deploy || p == Verify || p == Rollback
}

// ParsePhases reads a comma-separated list and returns it in the order of the phases, without repetition.
// Rollback stands alone: it cannot be combined with others.
func ParsePhases(list string) ([]Phase, error) {
	if strings.TrimSpace(list) == "" {
		return append([]Phase(nil), Forward...), nil
	}
	asked := map[Phase]bool{}
	for word := range strings.SplitSeq(list, ",") {
		p := Phase(strings.ToLower(strings.TrimSpace(word)))
		if p != Rollback && !contains(Forward, p) {
			return nil, fmt.Errorf("unknown phase %q: accepted are %s and rollback, separated by commas", word, join(Forward))
		}
		asked[p] = true
	}
	if asked[Rollback] {
		if len(asked) > 1 {
			return nil, fmt.Errorf("phase rollback stands alone: it cannot be combined with other phases")
		}
		return []Phase{Rollback}, nil
	}
	var phases []Phase
	for _, p := range Forward {
		if asked[p] {
			phases = append(phases, p)
		}
	}
	return phases, nil
}

func contains(list []Phase, p Phase) bool {
	for _, x := range list {
		if x == p {
			return true
		}
	}
	return false
}

func join(list []Phase) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}

var idPattern = regexp.MustCompile(`^\d{8}-\d{6}-[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

// NewID makes an id YYYYMMDD-HHMMSS-<run> from a UTC time and the caller's run (a workflow run number or a random word).
func NewID(at time.Time, run string) string {
	return at.UTC().Format("20060102-150405") + "-" + run
}

// ValidID reports whether id has the form of a promotion's id.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// Named is the time that a promotion's id names, by the clock of its caller; zero when it names none.
func Named(id string) time.Time {
	const stamp = "20060102-150405"
	if !ValidID(id) {
		return time.Time{}
	}
	at, err := time.Parse(stamp, id[:len(stamp)])
	if err != nil {
		return time.Time{}
	}
	return at
}
