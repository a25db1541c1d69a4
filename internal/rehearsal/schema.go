package rehearsal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Breaks says what between two schemas of one database may break a program that was written for the first: it meets what it
// does not know, misses what it needs, or reads what the newer program could write only now. Every change that is not known
// to be harmless is named, one line each, in a fixed order.
func Breaks(before, after map[string]string) []string {
	c := change{before: newSchema(before), after: newSchema(after)}
	var out []string
	add := func(verdict string) {
		if verdict != "" {
			out = append(out, verdict)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		o := c.before.objects[key]
		now, there := c.after.objects[key]
		switch {
		case !there:
			add(c.removed(o))
		case now.definition != o.definition:
			add(c.changed(o, now))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if _, there := before[key]; !there {
			add(c.added(c.after.objects[key]))
		}
	}
	return out
}

// change is one migration, seen by what it left.
type change struct{ before, after schema }

// removed says what the old program misses.
func (c change) removed(o object) string {
	switch o.kind {
	case "comment on", "statistics", "default privileges":
		return ""
	case "index":
		if !o.unique() {
			return ""
		}
	case "column", "constraint", "trigger", "rule", "policy":
		if !c.after.holds(o.owner) {
			return "" // gone with the table, which is named itself
		}
		if o.kind == "constraint" {
			return fmt.Sprintf("constraint %s is gone: the new release may write what the old one does not expect", o.name)
		}
	default:
	}
	return fmt.Sprintf("%s %s is gone", o.kind, o.name)
}

// changed says what the old program finds other than it knows it.
func (c change) changed(was, is object) string {
	harmless := false
	switch was.kind {
	case "comment on", "statistics", "default privileges":
		harmless = true
	case "table", "schema":
		harmless = sameBut(was, is, "options", "toast", "tablespace", "am")
	case "column":
		a, b := was.column(), is.column()
		if a.meaning == b.meaning {
			harmless = grantsKept(a.grants, b.grants)
			break
		}
		return fmt.Sprintf("column %s is %s, was %s", was.name, b.meaning, a.meaning)
	case "index":
		harmless = !was.unique() && !is.unique() && indexable(is.definition)
	case "constraint":
		harmless = strings.Replace(was.definition, " NOT VALID (not validated)", "", 1) == is.definition
	default:
	}
	if harmless {
		return ""
	}
	return fmt.Sprintf("%s %s has changed", was.kind, was.name)
}

// added says what the old program meets.
func (c change) added(o object) string {
	switch o.kind {
	case "comment on", "statistics", "default privileges", "extension", "schema":
		return ""
	case "table":
		return c.newTable(o)
	case "view", "materialized view", "foreign table", "sequence", "type", "function", "procedure", "aggregate":
		return c.newName(o)
	case "column":
		return c.newColumn(o)
	case "index":
		if table := o.indexed(); c.before.holds(table) {
			return c.newIndex(o, table)
		}
		return ""
	case "constraint":
		return c.newConstraint(o)
	case "trigger", "rule", "policy":
		if c.before.holds(o.owner) {
			return fmt.Sprintf("%s %s works on what the old release writes", o.kind, o.name)
		}
		return ""
	default:
		return fmt.Sprintf("%s %s is new, and whether the old release meets it is not known", o.kind, o.name)
	}
}

// newName refuses an object that could be found in the place of one that the old program means.
func (c change) newName(o object) string {
	if o.kind == "sequence" && strings.HasSuffix(o.name, " as") {
		return "" // the second half of a sequence's definition
	}
	if other, taken := c.before.named(o); taken {
		return fmt.Sprintf("%s %s has the name of %s: the old release could meet the one for the other", o.kind, o.name, other)
	}
	return ""
}

func (c change) newTable(o object) string {
	if parent := o.field("inherits"); parent != "" && c.before.holds(parent) {
		if !strings.Contains(o.definition, " partition FOR VALUES") && !strings.Contains(o.definition, " partition DEFAULT") {
			return fmt.Sprintf("table %s inherits from %s: the old release reads its rows too", o.name, parent)
		}
		for _, part := range c.after.objects {
			if part.owner != o.name {
				continue
			}
			own := part.kind == "column" && !strings.Contains(part.definition, "inherited=true local=false") ||
				part.kind == "constraint" && !strings.Contains(part.definition, "inherited=true") || part.kind == "trigger" || part.kind == "policy"
			if own {
				return fmt.Sprintf("partition %s of %s has rules of its own for rows that the old release writes", o.name, parent)
			}
		}
	}
	return c.newName(o)
}

func (c change) newColumn(o object) string {
	if !c.before.holds(o.owner) {
		return ""
	}
	if c.before.objects["table "+o.owner].kind == "" {
		return fmt.Sprintf("%s has a column more", o.owner) // of a view or a composite type
	}
	col := o.column()
	if col.supplied {
		return ""
	}
	if domain := c.after.objects["type "+col.typ]; strings.Contains(domain.definition, " domain over ") {
		if strings.Contains(domain.definition, " not null") && !strings.Contains(domain.definition, " default ") || c.checked(col.typ) {
			return fmt.Sprintf("column %s is of a domain that does not take the nothing that the old release writes", o.name)
		}
	}
	if col.notNull {
		return fmt.Sprintf("column %s must not be null and has no default: the old release cannot insert into %s", o.name, o.owner)
	}
	return ""
}

// checked reports whether a domain has a constraint.
func (c change) checked(domain string) bool {
	for _, o := range c.after.objects {
		if o.kind == "constraint" && o.owner == domain {
			return true
		}
	}
	return false
}

func (c change) newIndex(o object, table string) string {
	if o.unique() {
		if c.onlyNew(table, o.definition) && !strings.Contains(o.definition, "NULLS NOT DISTINCT") {
			return ""
		}
		return fmt.Sprintf("unique index %s refuses rows that the old release may write", o.name)
	}
	if !indexable(o.definition) {
		return fmt.Sprintf("index %s computes an expression over what the old release writes, which may fail", o.name)
	}
	return ""
}

func (c change) newConstraint(o object) string {
	if o.references() != "" {
		return c.newReference(o)
	}
	if !c.before.holds(o.owner) {
		return ""
	}
	if _, domain := c.before.objects["type "+o.owner]; domain {
		return fmt.Sprintf("domain %s refuses values that the old release may write", o.owner)
	}
	if column, ok := strings.CutPrefix(o.definition, "NOT NULL "); ok { // PostgreSQL 18 names them
		column, _, _ = strings.Cut(column, " inherited=")
		if _, old := c.before.objects["column "+o.owner+"."+column]; !old {
			return "" // judged with the column
		}
	}
	if c.onlyNew(o.owner, o.definition) && !strings.Contains(o.definition, "NULLS NOT DISTINCT") {
		return ""
	}
	return fmt.Sprintf("constraint %s refuses rows that the old release may write", o.name)
}

// newReference judges a foreign key from both of its ends.
func (c change) newReference(o object) string {
	if c.before.holds(o.owner) && !c.onlyNew(o.owner, o.referencing()) {
		return fmt.Sprintf("foreign key %s refuses rows that the old release may write", o.name)
	}
	to := o.references()
	if !c.before.holds(to) {
		return ""
	}
	freed := strings.Contains(o.definition, " ON DELETE CASCADE") || strings.Contains(o.definition, " ON DELETE SET NULL")
	if !freed {
		return fmt.Sprintf("foreign key %s: the old release can no longer delete rows of %s to which rows of %s belong (ON DELETE CASCADE or SET NULL would let it)", o.name, to, o.owner)
	}
	if strings.Contains(o.definition, " ON UPDATE CASCADE") {
		return ""
	}
	for _, name := range o.referenced() {
		if key := c.before.objects["column "+to+"."+name].column(); !key.supplied {
			return fmt.Sprintf("foreign key %s: the old release can no longer change %s of %s while rows of %s belong to it", o.name, name, to, o.owner)
		}
	}
	return ""
}

// onlyNew reports whether text names columns of the table, none that it had before, and only such new ones as the old program
// leaves null.
func (c change) onlyNew(table, text string) bool {
	words, found := identifiers(text), false
	for _, o := range c.after.objects {
		if o.kind != "column" || o.owner != table || !words[o.last] {
			continue
		}
		_, old := c.before.objects["column "+o.name]
		if col := o.column(); old || col.supplied || col.notNull {
			return false
		}
		found = true
	}
	return found
}
