package compare

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Valid says whether an acceptance still holds at a moment: before the end of its last day, UTC. It needs a pattern and a
// reason.
func (a Acceptance) Valid(now time.Time) bool {
	return a.Finding != "" && strings.TrimSpace(a.Reason) != "" && now.Before(lastDay(a).AddDate(0, 0, 1))
}

func lastDay(a Acceptance) time.Time {
	y, m, d := a.Until.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// accept marks the findings that somebody has accepted, and returns the acceptances that no longer hold. A finding that
// costs nothing needs no acceptance and gets none.
func accept(findings []Finding, accepted []Acceptance, now time.Time) (expired []Acceptance) {
	accepted = slices.Clone(accepted)
	slices.SortFunc(accepted, func(a, b Acceptance) int { // the one that holds longest is the one that is named
		return cmp.Or(b.Until.Compare(a.Until), strings.Compare(a.Finding, b.Finding), strings.Compare(a.Reason, b.Reason))
	})
	for _, a := range accepted {
		if !a.Valid(now) {
			expired = append(expired, a)
			continue
		}
		for i := range findings {
			if f := &findings[i]; f.Accepted == nil && f.Severity != Info && a.covers(*f) {
				f.Accepted = &Acceptance{Finding: a.Finding, Reason: a.Reason, Until: a.Until}
			}
		}
	}
	return expired
}

// covers says whether an acceptance means a finding. One that deletes data has to be named in full.
func (a Acceptance) covers(f Finding) bool {
	return a.Finding == f.ID || !slices.Contains(f.Hazards, DeletesData) && match(a.Finding, f.ID)
}

// match says whether a text is a pattern's, in which * stands for any run of characters.
func match(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, rest, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// matches says whether a name is one of the patterns', whatever their case.
func matches(patterns []string, name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(patterns, func(p string) bool { return match(strings.ToLower(p), name) })
}
