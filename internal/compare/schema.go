package compare

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/org/promote-action/internal/snapshot"
)

// schemaArea compares the databases of both sides: their schemas, as a migration of the target towards the source would
// meet each difference, their reference data and their migration tables.
func schemaArea(in Input) areaFindings {
	a := area(Schema)
	if !readable(a, in) {
		return *a
	}
	pairs, alone := pairCatalogs(in.From, in.To)
	if len(pairs)+len(alone) == 0 {
		a.skip("neither side has a database")
		return *a
	}
	for _, c := range alone {
		oneSided(a, c, in.From, in.To)
	}
	answers := map[string]ProbeResult{}
	for _, r := range in.Probes {
		answers[r.ID] = r
	}
	books := false
	reference := false
	for _, p := range pairs {
		if !p.read(a, in) {
			continue
		}
		n := p.schema(a, answers, in)
		reference = p.data(a, in.Rules) || reference
		books = p.migrations(a, n) || books
	}
	if !books {
		a.skip("no table of a migration tool was found", "schema.migrations")
	}
	if !reference {
		a.skip("no reference table was found; name them in the configuration: compare.reference", "schema.reference")
	}
	return *a
}

// readable notes a side of which nothing was read.
func readable(a *areaFindings, in Input) bool {
	ok := true
	for i, s := range []*snapshot.Snapshot{in.From, in.To} {
		switch {
		case s == nil:
			a.miss(absent(cmp.Or(in.Names[i], []string{"the source", "the target"}[i]), []string{in.FromWhy, in.ToWhy}[i]), "")
			ok = false
		case s.Details == nil:
			a.miss(fmt.Sprintf("the databases of %s were not read", s.Environment), "")
			ok = false
		}
	}
	return ok
}

// catalogPair is one database on both sides.
type catalogPair struct {
	from, to *snapshot.Catalog
	prefix   string // of subjects, where there are several databases
}

// pairCatalogs finds for each database of the source that of the target: of the same server and name; else the only one
// that is left on that server, since environments call theirs differently; else the only one that is left at all.
func pairCatalogs(from, to *snapshot.Snapshot) (pairs []catalogPair, alone []*snapshot.Catalog) {
	var left [2][]*snapshot.Catalog
	for i, s := range []*snapshot.Snapshot{from, to} {
		for j := range s.Details.Catalogs {
			left[i] = append(left[i], &s.Details.Catalogs[j])
		}
		slices.SortFunc(left[i], func(a, b *snapshot.Catalog) int {
			return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Database, b.Database))
		})
	}
	take := func(same func(a, b *snapshot.Catalog) bool) {
		for _, f := range slices.Clone(left[0]) {
			var fits, rivals []*snapshot.Catalog
			for _, t := range left[1] {
				if same(f, t) {
					fits = append(fits, t)
				}
			}
			for _, other := range left[0] {
				if len(fits) == 1 && same(other, fits[0]) {
					rivals = append(rivals, other)
				}
			}
			if len(fits) != 1 || len(rivals) != 1 {
				continue
			}
			pairs = append(pairs, catalogPair{from: f, to: fits[0]})
			left[0] = slices.DeleteFunc(left[0], func(c *snapshot.Catalog) bool { return c == f })
			left[1] = slices.DeleteFunc(left[1], func(c *snapshot.Catalog) bool { return c == fits[0] })
		}
	}
	take(func(a, b *snapshot.Catalog) bool { return a.Server == b.Server && a.Database == b.Database })
	take(func(a, b *snapshot.Catalog) bool { return a.Server == b.Server })
	take(func(a, b *snapshot.Catalog) bool { return true })
	alone = append(left[0], left[1]...)
	slices.SortFunc(pairs, func(a, b catalogPair) int {
		return cmp.Or(cmp.Compare(a.to.Server, b.to.Server), cmp.Compare(a.to.Database, b.to.Database))
	})
	servers := map[string]bool{}
	for _, p := range pairs {
		servers[p.to.Server] = true
	}
	for i := range pairs {
		if len(pairs) > 1 {
			pairs[i].prefix = pairs[i].to.Database + "/"
		}
		if len(servers) > 1 {
			pairs[i].prefix = pairs[i].to.Server + "/" + pairs[i].prefix
		}
	}
	return pairs, alone
}

// oneSided is a database that only one side has.
func oneSided(a *areaFindings, c *snapshot.Catalog, from, to *snapshot.Snapshot) {
	here, there := from.Environment, to.Environment
	kind := "database-added"
	if slices.ContainsFunc(to.Details.Catalogs, func(t snapshot.Catalog) bool { return t.Server == c.Server && t.Database == c.Database }) {
		here, there, kind = there, here, "database-dropped"
	}
	if c.Error != "" {
		a.miss(fmt.Sprintf("database %s/%s of %s could not be read: %s", c.Server, c.Database, here, c.Error), "")
		return
	}
	a.add("schema.read", kind, c.Server+"/"+c.Database, Warn, fmt.Sprintf("database %s/%s is in %s and not in %s: it is not compared", c.Server, c.Database, here, there),
		"name the databases that belong together in the configuration: databases")
}

// read notes a database that could not be read on one side.
func (p catalogPair) read(a *areaFindings, in Input) bool {
	ok := true
	for i, c := range []*snapshot.Catalog{p.from, p.to} {
		if c.Error != "" {
			s := []*snapshot.Snapshot{in.From, in.To}[i]
			a.miss(fmt.Sprintf("database %s/%s of %s could not be read: %s", c.Server, c.Database, s.Environment, c.Error), "")
			ok = false
		}
	}
	return ok
}

// schema adds a finding for each difference, and returns how many there are.
func (p catalogPair) schema(a *areaFindings, answers map[string]ProbeResult, in Input) int {
	found := p.assess()
	proved := in.rehearsed(p.to)
	for _, f := range found {
		id := f.id(p.prefix)
		answer, asked := answers[id]
		if f.query != "" && (!asked || answer.Error != "") && !proved {
			why := cmp.Or(answer.Error, "nobody asked")
			objective := "schema.rows-fit"
			if f.decides == DeletesData {
				objective = "schema.data-kept"
			}
			a.miss(fmt.Sprintf("the rows of %s were not looked at: %s", f.table, why), "", objective)
		}
		f.decide(answer, asked && answer.Error == "", proved)
		f.weigh()
		out := a.add(f.objective, f.kind, p.prefix+f.subject, f.severity, f.message, f.do)
		out.From, out.To, out.Hazards, out.Rows = clip(f.from), clip(f.to), f.hazards, f.rows
	}
	return len(found)
}

// rehearsed reports whether the migration was tried on a copy of this database's rows, worked, and led to the source's
// schema: it has then met them all.
func (in Input) rehearsed(c *snapshot.Catalog) bool {
	r := in.Rehearsal
	if r == nil || r.Error != "" || len(r.Migration) == 0 {
		return false
	}
	if slices.ContainsFunc(r.Migration, func(j RehearsedJob) bool { return j.ExitCode != 0 || j.Failure != "" }) {
		return false
	}
	return slices.ContainsFunc(r.Databases, func(d RehearsedData) bool {
		return d.Server == c.Server && d.Database == c.Database && len(d.Remaining) == 0
	})
}

// Probes are the questions to the target's rows that decide what the differences between two environments mean. They are
// SELECTs without a schema of their own, and may fail where a table is not the role's to read.
func Probes(from, to *snapshot.Snapshot, _ Rules) []Probe {
	if from == nil || to == nil || from.Details == nil || to.Details == nil {
		return nil
	}
	pairs, _ := pairCatalogs(from, to)
	var probes []Probe
	for _, p := range pairs {
		if p.from.Error != "" || p.to.Error != "" {
			continue
		}
		for _, f := range p.assess() {
			if f.query != "" {
				probes = append(probes, Probe{ID: f.id(p.prefix), Server: p.to.Server, Database: p.to.Database, Query: f.query})
			}
		}
	}
	return probes
}

// SchemaChanges are the differences between two readings of a database as findings without answers of rows: what may fail
// or delete is told as if it did.
func SchemaChanges(from, to *snapshot.Catalog) []Finding {
	p := catalogPair{from: from, to: to}
	a := areaFindings{}
	p.schema(&a, nil, Input{})
	return a.findings
}
