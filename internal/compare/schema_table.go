package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// table judges a table as a whole.
func (s *assessor) table(f *assessment, c difference, keys []string) {
	name := c.object().Name
	switch {
	case c.to == nil:
		if parent := c.from.Attributes["partition_of"]; parent != "" {
			f.table = parent
		}
		return
	case c.from == nil:
		f.add(BreaksOldCode)
		if c.to.Kind == "foreign table" {
			return
		}
		f.decides, f.query = DeletesData, "SELECT count(*) FROM "+name
		if twin := s.likeTable(c.to); twin != "" {
			f.message += fmt.Sprintf(", or renames it to %s, which has the same columns", twin)
		}
		return
	}
	for _, key := range keys {
		switch key {
		case "persistence", "tablespace", "access_method":
			f.add(RewritesTable)
		case "partition_by", "inherits", "of_type":
			f.add(RewritesTable, LocksTable)
		case "bounds", "partition_of":
			f.add(LocksTable)
			f.decides = FailsOnRows
		case "row_security":
			f.add(ChangesBehavior)
			f.warn = true
		}
	}
}

// likeTable is a new table with the columns of one that goes: likely the same under another name.
func (s *assessor) likeTable(gone *snapshot.Object) string {
	return s.shapes[s.to.shape[gone.Name]]
}

// column judges one column.
func (s *assessor) column(f *assessment, c difference, keys []string) {
	o := c.object()
	table := o.Table
	name := strings.TrimPrefix(o.Name, table+".")
	switch {
	case o.Attributes["inherited"] != "" && (c.from == nil || c.to == nil): // told of the parent
		return
	case c.to == nil:
		s.newColumn(f, c.from, table)
		return
	case c.from == nil:
		f.add(BreaksOldCode)
		if c.to.Attributes["generated"] == "" {
			f.decides, f.query = DeletesData, fmt.Sprintf("SELECT count(%s) FROM %s", name, table)
		}
		if twin := s.likeColumn(c.to); twin != "" {
			f.message += fmt.Sprintf(", or renames it to %s, which is new and has its type", twin)
		}
		return
	}
	for _, key := range keys {
		f.columnAttribute(s, c, key, name)
	}
}

// newColumn judges a column that the target lacks.
func (s *assessor) newColumn(f *assessment, o *snapshot.Object, table string) {
	filled := o.Attributes["default"] != "" || o.Attributes["identity"] != "" || o.Attributes["generated"] != ""
	if o.Attributes["not_null"] != "" && !filled {
		f.add(BreaksOldCode)
		f.decides, f.query = FailsOnRows, "SELECT count(*) FROM "+table
		f.message += ", which is NOT NULL and has no default"
	}
	if o.Attributes["identity"] != "" || o.Attributes["generated"] == "stored" || s.volatile(o.Attributes["default"]) {
		f.add(RewritesTable)
	}
}

// likeColumn is a new column of the same table and type as one that goes, by the likeness of their names.
func (s *assessor) likeColumn(gone *snapshot.Object) string {
	var best string
	for _, o := range s.added[gone.Table] {
		if o.Attributes["type"] != gone.Attributes["type"] {
			continue
		}
		a, b := strings.TrimPrefix(o.Name, gone.Table+"."), strings.TrimPrefix(gone.Name, gone.Table+".")
		if len(s.added[gone.Table]) == 1 && len(s.dropped[gone.Table]) == 1 || alike(a, b) {
			best = a
		}
	}
	return best
}

// alike reports whether one name holds the other, or they share a word.
func alike(a, b string) bool {
	if strings.Contains(a, b) || strings.Contains(b, a) {
		return true
	}
	for _, word := range strings.Split(a, "_") {
		if len(word) > 2 && slices.Contains(strings.Split(b, "_"), word) {
			return true
		}
	}
	return false
}

// columnAttribute judges one attribute in which a column differs.
func (f *assessment) columnAttribute(s *assessor, c difference, key, name string) {
	now, was := c.from.Attributes[key], c.to.Attributes[key]
	table := c.to.Table
	switch key {
	case "type":
		s.retype(f, was, now, name, table)
	case "not_null":
		if now == "" {
			return
		}
		f.add(LocksTable)
		if c.from.Attributes["default"] == "" && c.from.Attributes["identity"] == "" {
			f.add(BreaksOldCode)
		}
		f.ask(fmt.Sprintf("SELECT count(*) FROM %s WHERE %s IS NULL", table, name))
	case "default":
		f.add(ChangesBehavior)
		if now == "" && c.from.Attributes["not_null"] != "" && c.from.Attributes["identity"] == "" {
			f.add(BreaksOldCode)
		}
	case "identity":
		f.add(ChangesBehavior)
		if now == "always" || now == "" && c.from.Attributes["default"] == "" {
			f.add(BreaksOldCode)
		}
	case "generated":
		f.add(RewritesTable)
		if now != "" && was == "" { // only a new column can be generated
			f.add(BreaksOldCode)
			f.decides, f.query = DeletesData, fmt.Sprintf("SELECT count(%s) FROM %s", name, table)
		}
	case "expression":
		f.add(ChangesBehavior)
		if c.from.Attributes["generated"] == "stored" {
			f.add(RewritesTable)
		}
	case "collation":
		f.add(ChangesBehavior, BuildsIndex)
	case "inherited":
		f.add(LocksTable)
	}
}

// ask sets the query that decides whether rows fail. A column has at most two such changes: their rows add up.
func (f *assessment) ask(query string) {
	if f.decides == DeletesData {
		return // it outweighs
	}
	if f.query != "" {
		query = fmt.Sprintf("SELECT (%s) + (%s)", f.query, query)
	}
	f.decides, f.query = FailsOnRows, query
}

// volatileCalls give another value for each row, so that a column with them as its default is written row by row.
var volatileCalls = []string{"nextval(", "random(", "gen_random_uuid(", "uuid_generate_v", "uuidv4(", "uuidv7(", "clock_timestamp(", "timeofday(", "gen_random_bytes(", "its own sequence"}

func (s *assessor) volatile(expression string) bool {
	if slices.ContainsFunc(volatileCalls, func(call string) bool { return strings.Contains(expression, call) }) {
		return true
	}
	for key, o := range s.from.byName {
		name, _, _ := strings.Cut(key.name, "(")
		if key.kind == "function" && strings.Contains(expression, name+"(") && !strings.Contains(o.Definition, " IMMUTABLE") && !strings.Contains(o.Definition, " STABLE") {
			return true
		}
	}
	return false
}
