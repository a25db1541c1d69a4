package compare

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// constraint judges a constraint that comes, goes or becomes another.
func (s *assessor) constraint(f *assessment, c difference) {
	f.from, f.to = describe(c.from), describe(c.to)
	if c.from == nil {
		f.add(ChangesBehavior)
		return
	}
	o := c.from
	if c.to != nil && o.Definition == c.to.Definition { // an option of its index, or whether it was validated
		f.from, f.to = c.sides(c.differing(s.loose))
		return
	}
	if o.Attributes["of"] == "domain" {
		s.domainConstraint(f, o)
		return
	}
	if o.Attributes["inherited"] != "" {
		return // told of the parent
	}
	f.add(LocksTable)
	if strings.Contains(o.Definition, " NOT VALID") || s.onNewColumn(o) {
		return
	}
	columns := splitNames(o.Attributes["columns"])
	switch o.Attributes["type"] {
	case "primary key":
		f.add(BuildsIndex)
		f.ask(fmt.Sprintf("%s + (SELECT count(*) FROM %s WHERE %s)", duplicates(o.Table, columns, "", o.Attributes["nulls_distinct"] == ""), o.Table, anyNull("", columns)))
	case "unique":
		f.add(BuildsIndex)
		f.ask(duplicates(o.Table, columns, "", o.Attributes["nulls_distinct"] == ""))
	case "foreign key":
		f.decides = FailsOnRows
		referred := splitNames(o.Attributes["referred"])
		if s.to.relation(o.Attributes["references"]) == nil { // new, and filled by nobody yet
			f.query = fmt.Sprintf("SELECT count(*) FROM %s WHERE NOT (%s)", o.Table, anyNull("", columns))
			return
		}
		if len(columns) == 0 || len(columns) != len(referred) {
			return
		}
		var pairs []string
		for i, name := range columns {
			pairs = append(pairs, "r."+referred[i]+" = t."+name)
		}
		f.query = fmt.Sprintf("SELECT count(*) FROM %s t WHERE NOT (%s) AND NOT EXISTS (SELECT 1 FROM %s r WHERE %s)", o.Table, anyNull("t.", columns), o.Attributes["references"], strings.Join(pairs, " AND "))
	case "check":
		f.decides = FailsOnRows
		if expression, ok := checkExpression(o.Definition); ok {
			f.query = fmt.Sprintf("SELECT count(*) FROM %s WHERE NOT (%s)", o.Table, expression)
		}
	default:
		f.add(BuildsIndex)
		f.decides = FailsOnRows
	}
}

// onNewColumn reports whether o is about a column that the target does not have yet, of which no row has a value.
func (s *assessor) onNewColumn(o *snapshot.Object) bool {
	return slices.ContainsFunc(splitNames(o.Attributes["columns"]), func(name string) bool { return s.to.get("column", o.Table+"."+name) == nil })
}

// checkExpression takes the expression out of CHECK ((…)) NO INHERIT.
func checkExpression(definition string) (string, bool) {
	expression, ok := strings.CutPrefix(definition, "CHECK (")
	for _, ending := range []string{" NOT VALID", " NO INHERIT", " NOT ENFORCED"} {
		expression = strings.TrimSuffix(expression, ending)
	}
	expression, closed := strings.CutSuffix(expression, ")")
	return expression, ok && closed
}

// duplicates counts the rows that share their key with another. A NULL is equal to none, unless the constraint says so.
func duplicates(table string, keys []string, where string, nullsDistinct bool) string {
	conditions := []string{}
	if where != "" {
		conditions = append(conditions, "("+where+")")
	}
	if nullsDistinct {
		for _, k := range keys {
			conditions = append(conditions, "("+k+") IS NOT NULL")
		}
	}
	filter := ""
	if len(conditions) > 0 {
		filter = " WHERE " + strings.Join(conditions, " AND ")
	}
	grouped := make([]string, len(keys))
	for i, k := range keys {
		grouped[i] = "(" + k + ")"
	}
	return fmt.Sprintf("SELECT coalesce((SELECT sum(n) FROM (SELECT count(*) AS n FROM %s%s GROUP BY %s HAVING count(*) > 1) d), 0)::bigint", table, filter, strings.Join(grouped, ", "))
}

func anyNull(alias string, columns []string) string {
	var parts []string
	for _, c := range columns {
		parts = append(parts, alias+c+" IS NULL")
	}
	return strings.Join(parts, " OR ")
}

// splitNames takes a list of quoted names apart at the commas outside of quotes.
func splitNames(list string) []string {
	var names []string
	quoted, start := false, 0
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '"':
			quoted = !quoted
		case list[i] == ',' && !quoted:
			names = append(names, strings.TrimSpace(list[start:i]))
			start = i + 1
		}
	}
	if rest := strings.TrimSpace(list[start:]); rest != "" {
		names = append(names, rest)
	}
	return names
}

// index judges an index.
func (s *assessor) index(f *assessment, c difference, keys []string) {
	switch {
	case c.from == nil:
		return
	case c.to != nil && len(keys) > 0 && !slices.Contains(keys, "definition"):
		if c.to.Attributes["invalid"] != "" && c.from.Attributes["invalid"] == "" {
			f.warn = true
			f.message = fmt.Sprintf("index %s is invalid at the target: an index build was broken off", c.to.Name)
			f.do = "build it again at the target: REINDEX INDEX CONCURRENTLY"
		}
		return
	}
	f.from, f.to = describe(c.from), describe(c.to)
	f.add(BuildsIndex)
	if c.from.Attributes["unique"] == "" {
		return
	}
	var list []string
	f.decides = FailsOnRows
	if json.Unmarshal([]byte(c.from.Attributes["keys"]), &list) == nil && len(list) > 0 {
		if slices.ContainsFunc(list, func(k string) bool {
			return slices.ContainsFunc(s.added[c.from.Table], func(o *snapshot.Object) bool { return o.Name == c.from.Table+"."+k })
		}) {
			f.decides = "" // no row has a value yet
			return
		}
		f.query = duplicates(c.from.Table, list, c.from.Attributes["where"], c.from.Attributes["nulls_distinct"] == "")
	}
}

// users are the columns of the target's tables that have a type, as table and name.
func (s *assessor) users(typ string) [][2]string {
	var list [][2]string
	for _, o := range s.to.Objects {
		if o.Kind == "column" && o.Attributes["type"] == typ && o.Attributes["inherited"] == "" {
			list = append(list, [2]string{o.Table, strings.TrimPrefix(o.Name, o.Table+".")})
		}
	}
	return list
}

// sumOf adds up what a condition counts in every column of a type.
func (s *assessor) sumOf(typ, condition string) string {
	parts := []string{"0::bigint"}
	for _, u := range s.users(typ) {
		parts = append(parts, fmt.Sprintf("(SELECT count(*) FROM %s WHERE %s)", u[0], strings.ReplaceAll(condition, "{}", u[1])))
	}
	return "SELECT " + strings.Join(parts, " + ")
}

// enum judges a type; the values of an enumeration are what rows can stand against.
func (s *assessor) enum(f *assessment, c difference) {
	if c.from == nil || c.to == nil {
		if c.from == nil {
			f.add(BreaksOldCode)
		}
		return
	}
	if c.from.Attributes["class"] != "enum" || c.to.Attributes["class"] != "enum" {
		f.add(BreaksOldCode)
		return
	}
	now := splitLabels(c.from.Attributes["labels"])
	var gone []string
	for _, label := range splitLabels(c.to.Attributes["labels"]) {
		if !slices.Contains(now, label) {
			gone = append(gone, label)
		}
	}
	if len(gone) > 0 {
		f.add(BreaksOldCode, RewritesTable)
		f.decides, f.query = FailsOnRows, s.sumOf(c.to.Name, "{}::text IN ("+strings.Join(gone, ", ")+")")
		f.message = fmt.Sprintf("type %s loses the values %s", c.to.Name, strings.Join(gone, ", "))
		return
	}
	f.message = fmt.Sprintf("type %s has other values: %s, at the target %s", c.to.Name, c.from.Attributes["labels"], c.to.Attributes["labels"])
}

// splitLabels takes a list of SQL strings apart.
func splitLabels(list string) []string {
	var labels []string
	inside, start := false, 0
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\'' && !inside:
			inside, start = true, i
		case list[i] == '\'' && i+1 < len(list) && list[i+1] == '\'':
			i++
		case list[i] == '\'':
			inside = false
			labels = append(labels, list[start:i+1])
		}
	}
	return labels
}

func (s *assessor) domain(f *assessment, c difference, keys []string) {
	if c.from == nil || c.to == nil {
		if c.from == nil {
			f.add(BreaksOldCode)
		}
		return
	}
	for _, key := range keys {
		switch key {
		case "not_null":
			if c.from.Attributes[key] != "" {
				f.add(BreaksOldCode)
				f.ask(s.sumOf(c.to.Name, "{} IS NULL"))
			}
		case "type", "collation":
			f.add(BreaksOldCode, RewritesTable)
			f.decides = FailsOnRows
		case "default":
			f.add(ChangesBehavior)
		}
	}
}

// domainConstraint judges a new condition on every column of a domain.
func (s *assessor) domainConstraint(f *assessment, o *snapshot.Object) {
	f.add(LocksTable)
	f.decides = FailsOnRows
	if expression, ok := checkExpression(o.Definition); ok && !strings.Contains(o.Definition, " NOT VALID") {
		f.query = s.sumOf(o.Table, "NOT ("+valueWord.ReplaceAllString(expression, "{}")+")")
	}
}
