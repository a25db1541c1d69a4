package compare

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// difference is one object that differs: from is nil where a migration would drop it, to where it would add it.
type difference struct {
	from, to *snapshot.Object
	renamed  bool // nothing but the name differs
}

// object is the one of both that is there.
func (c difference) object() *snapshot.Object { return cmp.Or(c.from, c.to) }

type objectKey struct{ kind, name string }

// side is one catalog, by kind and name.
type schemaSide struct {
	*snapshot.Catalog
	byName map[objectKey]*snapshot.Object
	rows   map[string]snapshot.TableData
	shape  map[string]string // table → its columns with their types, sorted
}

func newSchemaSide(c *snapshot.Catalog) schemaSide {
	s := schemaSide{Catalog: c, byName: make(map[objectKey]*snapshot.Object, len(c.Objects)), rows: make(map[string]snapshot.TableData, len(c.Tables)), shape: map[string]string{}}
	for i := range c.Objects {
		o := &c.Objects[i]
		s.byName[objectKey{o.Kind, o.Name}] = o
	}
	for _, t := range c.Tables {
		s.rows[t.Table] = t
	}
	columns := map[string][]string{}
	for _, o := range c.Objects {
		if o.Kind == "column" {
			columns[o.Table] = append(columns[o.Table], strings.TrimPrefix(o.Name, o.Table)+" "+o.Attributes["type"])
		}
	}
	for table, list := range columns {
		slices.Sort(list)
		s.shape[table] = strings.Join(list, "\n")
	}
	return s
}

func (s schemaSide) get(kind, name string) *snapshot.Object { return s.byName[objectKey{kind, name}] }

// relation is a table, foreign table or view by its name.
func (s schemaSide) relation(name string) *snapshot.Object {
	for _, kind := range []string{"table", "foreign table", "view", "materialized view"} {
		if o := s.get(kind, name); o != nil {
			return o
		}
	}
	return nil
}

// changes are all differences, in the order of kind and name. What belongs to a table that only one side has goes with the
// table, and a sequence that belongs to a column with the column.
func changes(from, to schemaSide) []difference {
	var found, added, dropped []difference
	for key, f := range from.byName {
		t := to.byName[key]
		switch {
		case t == nil:
			added = append(added, difference{from: f})
		case !equalObjects(f, t, from.Major != to.Major):
			found = append(found, difference{from: f, to: t})
		}
	}
	for key, t := range to.byName {
		if from.byName[key] == nil {
			dropped = append(dropped, difference{to: t})
		}
	}
	added = slices.DeleteFunc(added, func(c difference) bool { return goesWith(c.from, to) })
	dropped = slices.DeleteFunc(dropped, func(c difference) bool { return goesWith(c.to, from) })
	order := func(a, b difference) int {
		return cmp.Or(cmp.Compare(a.object().Kind, b.object().Kind), cmp.Compare(a.object().Name, b.object().Name))
	}
	slices.SortFunc(added, order)
	slices.SortFunc(dropped, order)
	// The same constraint or index under another name; then another one under the same.
	added, dropped, found = match2(added, dropped, found, true, func(f, t *snapshot.Object) bool { return equalObjects(f, t, from.Major != to.Major) })
	added, dropped, found = match2(added, dropped, found, false, func(f, t *snapshot.Object) bool { return f.Real == t.Real })
	found = slices.Concat(found, added, dropped)
	slices.SortFunc(found, order)
	return found
}

// match2 pairs what was added with what was dropped of the same table where both are the same.
func match2(added, dropped, found []difference, renamed bool, same func(f, t *snapshot.Object) bool) (_, _, _ []difference) {
	type place struct{ kind, table string }
	byTable := map[place][]int{}
	for i, c := range dropped {
		if c.to.Kind == "constraint" || c.to.Kind == "index" {
			byTable[place{c.to.Kind, c.to.Table}] = append(byTable[place{c.to.Kind, c.to.Table}], i)
		}
	}
	var left []difference
	taken := map[int]bool{}
	for _, c := range added {
		at := -1
		for _, i := range byTable[place{c.from.Kind, c.from.Table}] {
			if !taken[i] && same(c.from, dropped[i].to) {
				at = i
				break
			}
		}
		if at < 0 {
			left = append(left, c)
			continue
		}
		taken[at] = true
		found = append(found, difference{from: c.from, to: dropped[at].to, renamed: renamed})
	}
	var rest []difference
	for i, c := range dropped {
		if !taken[i] {
			rest = append(rest, c)
		}
	}
	return left, rest, found
}

// goesWith reports whether o belongs to something that the other side does not have either.
func goesWith(o *snapshot.Object, other schemaSide) bool {
	if o.Table == "" || o.Kind == "table" {
		return false
	}
	if o.Kind == "constraint" && o.Attributes["of"] == "domain" {
		return other.get("domain", o.Table) == nil
	}
	if other.relation(o.Table) == nil {
		return o.Kind != "sequence" || o.Real != ""
	}
	return o.Kind == "sequence" && o.Real != "" && other.get("column", o.Table+"."+o.Attributes["owned_by"]) == nil
}

// equalObjects compares definition and attributes; what the name is makes no difference. Servers of different major
// versions show the same expression differently: qualifiers and parentheses are then left out.
func equalObjects(f, t *snapshot.Object, loose bool) bool {
	if !equalText(f.Definition, t.Definition, loose) {
		return false
	}
	for _, key := range attributesOf(f, t) {
		if !equalText(f.Attributes[key], t.Attributes[key], loose && shown[key]) {
			return false
		}
	}
	return true
}

// shown are the attributes that the server's deparser makes.
var shown = map[string]bool{"default": true, "expression": true, "using": true, "check": true, "where": true, "keys": true, "bounds": true, "partition_by": true}

func equalText(a, b string, loose bool) bool {
	return a == b || loose && loosened(a) == loosened(b)
}

var qualifiers = regexp.MustCompile(`\b[a-z_][a-z0-9_]*\.`)

func loosened(s string) string {
	s = qualifiers.ReplaceAllString(s, "")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n()", r) }), " ")
}

// attributesOf are the attributes that either has and that count, sorted.
func attributesOf(f, t *snapshot.Object) []string {
	keys := map[string]bool{}
	for _, o := range []*snapshot.Object{f, t} {
		for key := range o.Attributes {
			if key != "name" {
				keys[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// differing are the attributes in which both differ; the definition is "definition".
func (c difference) differing(loose bool) []string {
	var keys []string
	if !equalText(c.from.Definition, c.to.Definition, loose) {
		keys = append(keys, "definition")
	}
	for _, key := range attributesOf(c.from, c.to) {
		if !equalText(c.from.Attributes[key], c.to.Attributes[key], loose && shown[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}

// describe says what an object is in a line or, of a definition, several.
func describe(o *snapshot.Object) string {
	if o == nil {
		return ""
	}
	if o.Definition != "" {
		return o.Definition
	}
	var parts []string
	if t := o.Attributes["type"]; t != "" {
		parts = append(parts, t)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Attributes)) {
		if key != "type" && key != "name" {
			parts = append(parts, attribute(key, o.Attributes[key]))
		}
	}
	if len(parts) == 0 {
		return o.Kind
	}
	return strings.Join(parts, ", ")
}

func attribute(key, value string) string {
	if value == "true" {
		return strings.ReplaceAll(key, "_", " ")
	}
	return strings.ReplaceAll(key, "_", " ") + " " + value
}

// sides shows both in what they differ.
func (c difference) sides(keys []string) (from, to string) {
	show := func(o *snapshot.Object, other *snapshot.Object) string {
		var parts []string
		for _, key := range keys {
			value, rival := o.Attributes[key], other.Attributes[key]
			if key == "definition" {
				value, rival = o.Definition, other.Definition
			}
			switch {
			case key == "type" || key == "definition":
				parts = append(parts, around(value, rival))
			case value == "":
				parts = append(parts, "no "+strings.ReplaceAll(key, "_", " "))
			default:
				parts = append(parts, attribute(key, around(value, rival)))
			}
		}
		return strings.Join(parts, ", ")
	}
	return show(c.from, c.to), show(c.to, c.from)
}

// around is s or, of a long one, what is around the place where it and other part.
func around(s, other string) string {
	const before, size = 40, 160
	if len(s) <= size {
		return s
	}
	a, b := []rune(s), []rune(other)
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	start := max(0, i-before)
	end := min(len(a), start+size)
	text := string(a[start:end])
	if start > 0 {
		text = "…" + text
	}
	if end < len(a) {
		text += fmt.Sprintf("… (%d bytes)", len(s))
	}
	return text
}
