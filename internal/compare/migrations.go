package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// migrations compares the tables in which migration tools write down what they applied, and reports whether there are
// any. Differences is how many the schemas have.
func (p catalogPair) migrations(a *areaFindings, differences int) bool {
	books := [2]map[string]string{ledgersOf(p.from), ledgersOf(p.to)}
	names := maps.Clone(books[0])
	maps.Copy(names, books[1])
	sides := [2]schemaSide{newSchemaSide(p.from), newSchemaSide(p.to)}
	pending := false
	for _, table := range slices.Sorted(maps.Keys(names)) {
		const objective = "schema.migrations"
		subject := p.prefix + table
		for i, side := range sides {
			if why := side.rows[table].Error; why != "" {
				a.miss(fmt.Sprintf("migration table %s of the %s could not be read: %s", subject, []string{"source", "target"}[i], why), "", objective)
			}
		}
		switch {
		case books[1][table] == "":
			a.add(objective, "ledger-missing", subject, Warn, fmt.Sprintf("the target has no migration table %s: %s would apply everything", subject, names[table]), "see whether the target was ever migrated by "+names[table])
			pending = true
			continue
		case books[0][table] == "":
			a.add(objective, "ledger-extra", subject, Warn, fmt.Sprintf("only the target has a migration table %s of %s", subject, names[table]), "")
			continue
		}
		l := newLedgers(p, table)
		l.failed(a, subject)
		if l.compare(a, subject, names[table]) {
			pending = true
		}
	}
	if len(names) > 0 && !pending && differences > 0 {
		a.add("schema.migrations", "schema-drift", p.prefix+p.to.Database, Warn, fmt.Sprintf("the same migrations are applied on both sides, yet the schemas differ in %d places: somebody changed one by hand", differences),
			"find out who, and bring it into a migration")
	}
	return len(names) > 0
}

// ledgersOf are the migration tables of a database and their tools.
func ledgersOf(c *snapshot.Catalog) map[string]string {
	out := map[string]string{}
	for _, t := range c.Tables {
		if t.Tool != "" {
			out[t.Table] = t.Tool
		}
	}
	return out
}

// ledgers are the entries of one migration table on both sides, in the order in which they were applied.
type ledgers struct {
	from, to       []snapshot.Migration
	byFrom, byTo   map[string]snapshot.Migration
	latest         string // the greatest version that the target has
	pending, extra []string
}

func newLedgers(p catalogPair, table string) *ledgers {
	l := &ledgers{byFrom: map[string]snapshot.Migration{}, byTo: map[string]snapshot.Migration{}}
	take := func(c *snapshot.Catalog, byVersion map[string]snapshot.Migration) (list []snapshot.Migration) {
		for _, m := range c.Applied {
			if m.Table == table {
				list = append(list, m)
				byVersion[m.Version] = m
			}
		}
		slices.SortStableFunc(list, func(a, b snapshot.Migration) int { return cmp.Compare(a.Place, b.Place) })
		return list
	}
	l.from, l.to = take(p.from, l.byFrom), take(p.to, l.byTo)
	for _, m := range l.to {
		if l.latest == "" || compareVersions(m.Version, l.latest) > 0 {
			l.latest = m.Version
		}
		if _, known := l.byFrom[m.Version]; !known {
			l.extra = append(l.extra, m.Version)
		}
	}
	for _, m := range l.from {
		if _, known := l.byTo[m.Version]; !known && !m.Failed {
			l.pending = append(l.pending, m.Version)
		}
	}
	return l
}

// failed notes migrations that did not get to their end: the tool refuses to go on.
func (l *ledgers) failed(a *areaFindings, subject string) {
	for i, list := range [][]snapshot.Migration{l.from, l.to} {
		for _, m := range list {
			if m.Failed {
				where := []string{"source", "target"}[i]
				a.add("schema.migrations", "migration-failed", subject+"/"+where+"/"+m.Version, Fail, fmt.Sprintf("migration %s failed at the %s, or was broken off", m.Version, where), "put its effects right and clear its mark in "+subject)
			}
		}
	}
}

// compare notes pending, missing, edited and disordered migrations, and reports whether a promotion would migrate.
func (l *ledgers) compare(a *areaFindings, subject, tool string) (pending bool) {
	const objective = "schema.migrations"
	single := tool == "golang-migrate" || tool == "alembic" // keeps the last version only
	if single && len(l.pending) == 1 && len(l.extra) == 1 {
		here, there := l.pending[0], l.extra[0]
		if tool == "golang-migrate" && compareVersions(here, there) < 0 {
			a.add(objective, "migration-missing", subject+"/"+there, Warn, fmt.Sprintf("the target is at version %s, the source only at %s", there, here), "promote from an environment that has it").To = there
			return false
		}
		f := a.add(objective, "migrations-pending", subject, Info, fmt.Sprintf("the migration goes from version %s to %s", there, here), "")
		f.From, f.To = here, there
		return true
	}
	if len(l.pending) > 0 {
		a.add(objective, "migrations-pending", subject, Info, fmt.Sprintf("%d pending: %s", len(l.pending), few(l.pending)), "").From = clip(strings.Join(l.pending, ", "))
	}
	for _, version := range l.pending {
		if ordered := tool != "django" && tool != "liquibase" && tool != "sqitch"; ordered && l.latest != "" && compareVersions(version, l.latest) < 0 {
			a.add(objective, "migration-disordered", subject+"/"+version, Warn, fmt.Sprintf("pending migration %s comes before %s, which the target has already", version, l.latest), "give it a later version, or let the tool apply it out of order")
		}
	}
	for _, version := range l.extra {
		a.add(objective, "migration-missing", subject+"/"+version, Warn, fmt.Sprintf("the target has applied migration %s, which the source does not know", version), "promote from a release that holds it").To = version
	}
	for _, m := range l.from {
		t, both := l.byTo[m.Version]
		if both && t.Checksum != m.Checksum && t.Checksum != "" && m.Checksum != "" {
			f := a.add(objective, "migration-edited", subject+"/"+m.Version, Fail, fmt.Sprintf("migration %s was edited after it was applied: its checksums differ", m.Version), "restore the file as it was applied, and put the change into a migration of its own")
			f.From, f.To = m.Checksum, t.Checksum
		}
	}
	return len(l.pending) > 0
}

// few names the first of a list.
func few(list []string) string {
	if len(list) <= shownKeys {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:shownKeys], ", ") + fmt.Sprintf(" and %d more", len(list)-shownKeys)
}

// compareVersions compares by their numbers where both have some, as 2 comes before 10 and 1.9 before 1.10.
func compareVersions(a, b string) int {
	x, y := numbered(a), numbered(b)
	for i := range min(len(x), len(y)) {
		if c := cmp.Compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// numbered are the leading numbers of a version: 1.10 in V1.10__name.
func numbered(version string) []uint64 {
	var out []uint64
	version = strings.TrimLeft(version, "Vv")
	for version != "" {
		end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(version)
		}
		n, err := strconv.ParseUint(version[:end], 10, 64)
		if err != nil {
			break
		}
		out = append(out, n)
		if end == len(version) || version[end] != '.' {
			break
		}
		version = version[end+1:]
	}
	return out
}
