package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// SchemaVersion is the version of a comparison as JSON.
const SchemaVersion = "promote.comparison/1"

// Compare makes the comparison: it asks every area for its findings and objectives, takes the accepted findings out of the
// account, and adds up score, coverage and verdict.
func Compare(in Input) Comparison {
	in.Policy = in.Policy.filled()
	c := Comparison{
		Schema: SchemaVersion, At: in.Now, Policy: in.Policy, Rehearsal: in.Rehearsal,
		From: side(in.From, in.Names[0], in.FromWhy, in.Saved[0]), To: side(in.To, in.Names[1], in.ToWhy, in.Saved[1]),
	}
	found := map[Area]areaFindings{
		Versions:      versionsArea(in),
		Schema:        unreadDatabases(in, schemaArea(in)),
		Configuration: configurationArea(in),
		Flags:         flagsArea(in),
		Performance:   performanceArea(in),
		Readiness:     readinessArea(in),
	}
	for _, a := range Areas() {
		c.Findings = append(c.Findings, found[a].findings...)
		c.Objectives = append(c.Objectives, ordered(a, found[a].objectives)...)
	}
	c.Expired = accept(c.Findings, in.Accepted, in.Now)
	slices.SortFunc(c.Findings, compareFindings)
	judge(c.Objectives, c.Findings, in.Policy.Weights)

	var all tally
	for _, o := range c.Objectives {
		all.add(o)
	}
	lose(c.Objectives, all)
	c.Score, c.Measured = all.score()
	c.Coverage = all.coverage()
	for _, o := range c.Objectives {
		if o.Key && o.Status == promotion.Fail {
			c.Blocking = append(c.Blocking, o)
		}
	}
	for _, a := range Areas() {
		c.Areas = append(c.Areas, result(a, c, found[a].missing))
	}
	c.Services = moves(in)
	c.Commits = commits(in)
	c.Verdict, c.Why = verdict(c)
	return c
}

func side(s *snapshot.Snapshot, name, why string, saved bool) Side {
	if s == nil {
		return Side{Environment: name, Saved: saved, Missing: cmp.Or(why, "it was not read")}
	}
	return Side{Environment: s.Environment, Project: s.Project, TakenAt: s.TakenAt, Saved: saved}
}

// ordered are an area's objectives in the order of Objectives, with the title, weight and place that those give them.
func ordered(a Area, given []Objective) []Objective {
	var out []Objective
	for _, o := range Objectives() {
		if o.Area != a {
			continue
		}
		i := slices.IndexFunc(given, func(g Objective) bool { return g.ID == o.ID })
		if i < 0 {
			o.Status, o.Why = promotion.Error, "it was not measured"
		} else {
			o.Status, o.Why, o.Do = given[i].Status, given[i].Why, given[i].Do
		}
		out = append(out, o)
	}
	return out
}

func result(a Area, c Comparison, missing []string) AreaResult {
	var t tally
	r := AreaResult{Area: a, Missing: sorted(missing)}
	for _, o := range c.Objectives {
		if o.Area == a {
			t.add(o)
		}
	}
	for _, f := range c.Findings {
		if f.Area == a {
			r.Findings++
		}
	}
	r.Score, _ = t.score()
	r.Coverage = t.coverage()
	r.Equal = t.measured > 0 && t.measured == t.possible && r.Findings == 0
	return r
}

// unreadDatabases notes databases that a snapshot knows of and that were not read. Without them nothing of the area is
// known, also where what is left would not apply.
func unreadDatabases(in Input, a areaFindings) areaFindings {
	miss := func(why string) {
		a.missing = append(a.missing, why)
		for i := range a.objectives {
			if o := &a.objectives[i]; o.Status != promotion.Error {
				o.Status, o.Why, o.Do = promotion.Error, why, ""
			}
		}
	}
	for _, s := range in.sides() {
		for _, m := range missingParts(s) {
			if isDatabasePart(m) {
				miss(m.Part + " of " + s.Environment + " could not be read: " + m.Reason)
			}
		}
		if s == nil || s.Details == nil {
			continue
		}
		for _, name := range databasesOf(s) {
			if !slices.ContainsFunc(s.Details.Catalogs, func(c snapshot.Catalog) bool {
				return c.Server+"/"+c.Database == name || c.Error != "" && c.Database == ""
			}) {
				miss("database " + name + " of " + s.Environment + " was not read")
			}
		}
	}
	return a
}

// databasesOf are the databases of an environment as server/name, sorted.
func databasesOf(s *snapshot.Snapshot) []string {
	var names []string
	for _, server := range s.Servers {
		for _, db := range server.Databases {
			names = append(names, server.Name+"/"+db.Name)
		}
	}
	return sorted(names)
}

func isDatabasePart(m snapshot.Missing) bool { return strings.HasPrefix(m.Part, "database") }

func missingParts(s *snapshot.Snapshot) []snapshot.Missing {
	if s == nil {
		return nil
	}
	parts := slices.Clone(s.Missing)
	slices.SortFunc(parts, func(a, b snapshot.Missing) int {
		return cmp.Or(strings.Compare(a.Part, b.Part), strings.Compare(a.Reason, b.Reason))
	})
	return parts
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// filled is a policy within its bounds, and the default limits where it has none at all.
func (p Policy) filled() Policy {
	if p.Ready == 0 && p.Caution == 0 && p.Coverage == 0 {
		weights := p.Weights
		p = DefaultPolicy()
		p.Weights = weights
	}
	limit := func(v float64) float64 {
		if math.IsNaN(v) {
			return 100
		}
		return min(max(v, 0), 100)
	}
	p.Ready, p.Caution, p.Coverage = limit(p.Ready), limit(p.Caution), limit(p.Coverage)
	return p
}
