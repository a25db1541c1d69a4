package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/snapshot"
)

// shownKeys is how many keys of a reference table a finding names.
const shownKeys = 10

// data compares the rows of the tables that both sides have, and reports whether a reference table was among them.
func (p catalogPair) data(a *areaFindings, rules Rules) bool {
	from, to := newSchemaSide(p.from), newSchemaSide(p.to)
	any, late := false, 0
	for _, name := range slices.Sorted(maps.Keys(from.rows)) {
		f := from.rows[name]
		t, both := to.rows[name]
		configured := slices.ContainsFunc(rules.Reference, func(pattern string) bool {
			return match(pattern, name) || match(pattern, strings.ReplaceAll(name, `"`, ""))
		})
		any = any || configured
		if !both || f.Tool != "" || t.Tool != "" {
			continue
		}
		if why := unread(f, t); why != "" {
			a.miss(fmt.Sprintf("the rows of %s%s were not compared: %s", p.prefix, name, why), "", "schema.read", "schema.reference")
			continue
		}
		if f.Reference && t.Reference && (configured || kindred(f, t)) {
			any = true
			p.reference(a, f, t, sameColumns(from, to, name))
			continue
		}
		if configured {
			a.miss(fmt.Sprintf("the rows of reference table %s%s were not read one by one in time", p.prefix, name), "", "schema.reference")
			continue
		}
		if !f.Exact && f.Rows <= smallRows || !t.Exact && t.Rows <= smallRows {
			late++
			continue
		}
		p.rows(a, f, t, sameColumns(from, to, name) && p.from.Major == p.to.Major)
	}
	if late > 0 {
		a.miss(fmt.Sprintf("the rows of %d small tables of %s%s were not counted in time", late, p.prefix, p.to.Database), "", "schema.reference")
	}
	return any
}

// smallRows is how many rows a table has at most that is taken for reference data without being named.
const smallRows = 500

func unread(f, t snapshot.TableData) string {
	switch {
	case f.Error != "":
		return "source: " + f.Error
	case t.Error != "":
		return "target: " + t.Error
	}
	return ""
}

// kindred reports whether two tables hold the same kind of rows: at least half of all are the same on both sides.
func kindred(f, t snapshot.TableData) bool {
	same := 0
	for key, hash := range f.ByKey {
		if t.ByKey[key] == hash {
			same++
		}
	}
	return same > 0 && 2*same >= max(len(f.ByKey), len(t.ByKey))
}

func sameColumns(from, to schemaSide, table string) bool { return from.shape[table] == to.shape[table] }

// reference compares a table row by row, by key.
func (p catalogPair) reference(a *areaFindings, f, t snapshot.TableData, comparable bool) {
	var missing, extra, other []string
	for key, hash := range f.ByKey {
		at, there := t.ByKey[key]
		switch {
		case !there:
			missing = append(missing, key)
		case comparable && at != hash:
			other = append(other, key)
		}
	}
	for key := range t.ByKey {
		if _, there := f.ByKey[key]; !there {
			extra = append(extra, key)
		}
	}
	if len(missing)+len(extra)+len(other) == 0 {
		return
	}
	var parts []string
	for _, part := range []struct {
		keys []string
		what string
	}{{missing, "missing at the target"}, {extra, "only at the target"}, {other, "different"}} {
		if len(part.keys) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(part.keys), part.what, few(sorted(part.keys))))
		}
	}
	n := int64(len(missing) + len(extra) + len(other))
	out := a.add("schema.reference", "reference-differs", p.prefix+f.Table, Warn, fmt.Sprintf("reference table %s%s differs in %d rows: %s", p.prefix, f.Table, n, strings.Join(parts, "; ")),
		"bring the rows over with a migration, or name the tables that are reference data in the configuration: compare.rules.reference")
	out.From, out.To, out.Rows = fmt.Sprintf("%d rows", len(f.ByKey)), fmt.Sprintf("%d rows", len(t.ByKey)), &n
}

// rows notes how many rows a table has where they differ, and how fresh they are. Environments are expected to differ.
func (p catalogPair) rows(a *areaFindings, f, t snapshot.TableData, comparable bool) {
	if !f.Exact || !t.Exact || f.Rows == t.Rows && (!comparable || f.Fingerprint == t.Fingerprint) {
		return
	}
	message := fmt.Sprintf("%s%s has %d rows, at the target %d", p.prefix, f.Table, f.Rows, t.Rows)
	if f.Rows == t.Rows {
		message = fmt.Sprintf("%s%s has other rows at the target, %d as well", p.prefix, f.Table, t.Rows)
	}
	out := a.add("schema.reference", "rows-differ", p.prefix+f.Table, Info, message, "")
	out.From, out.To = amount(f), amount(t)
}

func amount(t snapshot.TableData) string {
	text := fmt.Sprintf("%d rows", t.Rows)
	if !t.Newest.IsZero() {
		text += fmt.Sprintf(", newest %s %s", t.NewestOf, t.Newest.UTC().Format(time.DateTime))
	}
	return text
}
