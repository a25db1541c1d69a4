package compare

import (
	"fmt"
	"slices"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// Drift is the comparison of the schemas alone: ready where they are equal, not ready where they differ, unknown where one
// of them could not be read in full. What is accepted does not count, and neither do the rows of reference tables nor the
// entries of migration tables.
func Drift(in Input) Comparison {
	in.From, in.To = withoutRows(in.From), withoutRows(in.To)
	c := Compare(in)
	c.Areas = slices.DeleteFunc(c.Areas, func(a AreaResult) bool { return a.Area != Schema })
	c.Objectives = slices.DeleteFunc(c.Objectives, func(o Objective) bool { return o.Area != Schema || o.ID == "schema.reference" })
	c.Findings = slices.DeleteFunc(c.Findings, func(f Finding) bool { return f.Area != Schema || f.Objective == "schema.reference" })
	c.Blocking = slices.DeleteFunc(c.Blocking, func(o Objective) bool { return o.Area != Schema })
	c.Services, c.Commits, c.Rehearsal = nil, nil, nil
	var all tally
	for _, o := range c.Objectives {
		all.add(o)
	}
	lose(c.Objectives, all)
	c.Score, c.Measured = all.score()
	c.Coverage = all.coverage()

	differences, unread := 0, in.From == nil || in.To == nil
	for _, f := range c.Findings {
		if f.Accepted == nil && f.Objective != "schema.migrations" && f.Objective != "schema.read" {
			differences++
		}
	}
	for _, o := range c.Objectives {
		unread = unread || o.ID == "schema.read" && o.Status != promotion.Pass && o.Status != promotion.Skip
	}
	switch {
	case differences > 0:
		c.Verdict, c.Why = NotReady, fmt.Sprintf("the schemas differ: %d differences", differences)
		if differences == 1 {
			c.Why = "the schemas differ: 1 difference"
		}
	case unread:
		c.Verdict, c.Why = Unknown, "not every schema could be read"
	default:
		c.Verdict, c.Why = Ready, "the schemas are equal"
	}
	return c
}

// withoutRows is a snapshot without what is known of the rows in its tables.
func withoutRows(s *snapshot.Snapshot) *snapshot.Snapshot {
	if s == nil || s.Details == nil {
		return s
	}
	bare, details := *s, *s.Details
	details.Catalogs = slices.Clone(details.Catalogs)
	for i := range details.Catalogs {
		details.Catalogs[i].Tables = nil
	}
	bare.Details = &details
	return &bare
}
