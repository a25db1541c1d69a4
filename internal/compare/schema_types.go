package compare

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// typeName is a type as the server shows it, taken apart: numeric(10,2)[].
type typeName struct {
	base  string // without its modifiers
	mods  []int
	array bool
}

var modifiers = regexp.MustCompile(`\((\d+)(?:,(-?\d+))?\)`)

func parseType(s string) typeName {
	t := typeName{}
	s, t.array = strings.CutSuffix(s, "[]")
	if m := modifiers.FindStringSubmatch(s); m != nil {
		for _, v := range m[1:] {
			if n, err := strconv.Atoi(v); err == nil {
				t.mods = append(t.mods, n)
			}
		}
		s = modifiers.ReplaceAllString(s, "")
	}
	t.base = strings.Join(strings.Fields(s), " ")
	return t
}

// mod is the i-th modifier, or -1.
func (t typeName) mod(i int) int {
	if i < len(t.mods) {
		return t.mods[i]
	}
	return -1
}

var integers = map[string]struct {
	rank     int
	min, max string
}{"smallint": {1, "-32768", "32767"}, "integer": {2, "-2147483648", "2147483647"}, "bigint": {3, "-9223372036854775808", "9223372036854775807"}}

func isText(base string) bool {
	return base == "text" || base == "character varying" || base == "character"
}

// texts are patterns of what a type takes, for servers that cannot be asked.
var texts = map[string]string{
	"smallint": `^\s*[+-]?\d{1,4}\s*$`, "integer": `^\s*[+-]?\d{1,9}\s*$`, "bigint": `^\s*[+-]?\d{1,18}\s*$`, "numeric": `^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$`,
	"double precision": `^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?\s*$`, "boolean": `^\s*(t|f|true|false|y|n|yes|no|on|off|1|0)\s*$`,
	"uuid": `^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$`, "date": `^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d)$`,
}

// retype judges a column whose type changes from was to now: whether the table is rewritten, whether values may not fit or
// are lost, and whether code that knows the old type still works.
func (s *assessor) retype(f *assessment, was, now, column, table string) {
	o, n := parseType(was), parseType(now)
	f.add(LocksTable)
	f.message += fmt.Sprintf(" (%s, at the target %s)", now, was)
	against := func(condition string) {
		f.ask(fmt.Sprintf("SELECT count(*) FROM %s WHERE %s", table, strings.ReplaceAll(condition, "{}", column)))
	}
	lost := func() { // values that do not come back the same are lost in part
		f.add(RewritesTable, BreaksOldCode)
		f.decides, f.query = DeletesData, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s IS NOT NULL AND %s::%s::%s IS DISTINCT FROM %s", table, column, column, now, was, column)
	}
	if o.array != n.array {
		f.add(RewritesTable, BreaksOldCode)
		f.decides = FailsOnRows
		return
	}
	if o.array {
		f.add(RewritesTable)
		if o.base != n.base || narrower(o, n) {
			f.add(BreaksOldCode)
			f.decides = FailsOnRows
		}
		return
	}
	from, wasInteger := integers[o.base]
	to, isInteger := integers[n.base]
	labels := s.labels(now)
	switch {
	case isText(o.base) && isText(n.base):
		if o.base == "character" || n.base == "character" {
			f.add(RewritesTable)
		}
		if limit := n.mod(0); limit >= 0 && (o.base == "text" || o.mod(0) < 0 || limit < o.mod(0)) {
			f.add(RewritesTable, BreaksOldCode)
			against(fmt.Sprintf("char_length({}) > %d", limit))
		}
	case wasInteger && isInteger:
		f.add(RewritesTable)
		if to.rank < from.rank {
			f.add(BreaksOldCode)
			against(fmt.Sprintf("{} NOT BETWEEN %s AND %s", to.min, to.max))
		}
	case wasInteger && (n.base == "numeric" || n.base == "double precision"):
		f.add(RewritesTable)
		if p := n.mod(0); p >= 0 {
			against(fmt.Sprintf("abs({}::numeric) >= 10::numeric ^ %d", p-max(n.mod(1), 0)))
		}
	case o.base == "numeric" && n.base == "numeric":
		p, sc := n.mod(0), max(n.mod(1), 0)
		switch {
		case p < 0: // no limit any more
		case o.mod(0) >= 0 && sc == max(o.mod(1), 0) && p >= o.mod(0):
		case o.mod(0) >= 0 && sc >= max(o.mod(1), 0):
			f.add(RewritesTable)
			if p-sc < o.mod(0)-max(o.mod(1), 0) {
				f.add(BreaksOldCode)
				against(fmt.Sprintf("abs({}) >= 10::numeric ^ %d", p-sc))
			}
		default:
			lost()
		}
	case (o.base == "numeric" || o.base == "double precision" || o.base == "real") && isInteger,
		o.base == "double precision" && (n.base == "real" || n.base == "numeric"), o.base == "numeric" && (n.base == "real" || n.base == "double precision"),
		strings.HasPrefix(o.base, "timestamp") && (n.base == "date" || strings.HasPrefix(n.base, "time ")):
		lost()
	case o.base == n.base: // of a time, an interval, a bit string: a precision
		if narrower(o, n) {
			lost()
		}
	case o.base == "cidr" && n.base == "inet":
	case o.base == "real" && n.base == "double precision", o.base == "date" && strings.HasPrefix(n.base, "timestamp"),
		strings.HasPrefix(o.base, "timestamp") && strings.HasPrefix(n.base, "timestamp"), o.base == "json" && n.base == "jsonb":
		f.add(RewritesTable)
	case labels != "":
		f.add(RewritesTable, BreaksOldCode)
		against(fmt.Sprintf("{}::text NOT IN (%s)", labels))
	case isText(n.base):
		f.add(RewritesTable, BreaksOldCode)
		if limit := n.mod(0); limit >= 0 {
			against(fmt.Sprintf("char_length({}::text) > %d", limit))
		}
	case isText(o.base) && s.to.Major >= 16 && (s.to.get("type", now) != nil || s.to.get("domain", now) != nil || !strings.Contains(now, ".")):
		f.add(RewritesTable, BreaksOldCode)
		against(fmt.Sprintf("{} IS NOT NULL AND NOT pg_input_is_valid({}, %s)", quoted(now)))
	case isText(o.base) && texts[n.base] != "":
		f.add(RewritesTable, BreaksOldCode)
		against(fmt.Sprintf("{} !~* %s", quoted(texts[n.base])))
	case castless(o.base, n.base): // the values go, unless the migration says what becomes of them
		f.add(RewritesTable, BreaksOldCode)
		against("{} IS NOT NULL")
	default:
		f.add(RewritesTable, BreaksOldCode)
		f.decides = FailsOnRows
	}
}

// families are types whose values the server turns into none of another family.
var families = map[string]string{
	"smallint": "number", "integer": "number", "bigint": "number", "numeric": "number", "real": "number", "double precision": "number",
	"date": "time", "timestamp without time zone": "time", "timestamp with time zone": "time", "time without time zone": "time", "time with time zone": "time",
	"interval": "span", "uuid": "uuid", "bytea": "bytes", "boolean": "truth", "inet": "address", "cidr": "address",
}

// castless reports whether no cast leads from one type to another.
func castless(was, now string) bool {
	a, b := families[was], families[now]
	switch {
	case a == "" || b == "" || a == b:
		return false
	case was == "boolean" && now == "integer", was == "integer" && now == "boolean", a == "bytes" || b == "bytes": // 18 casts integers to bytea
		return false
	case a == "time" && b == "span", a == "span" && b == "time":
		return false
	}
	return true
}

// narrower reports whether a modifier shrank, or came.
func narrower(o, n typeName) bool {
	for i := range n.mods {
		if o.mod(i) < 0 || n.mod(i) < o.mod(i) {
			return true
		}
	}
	return false
}

// labels are the values of a new enumeration, or "".
func (s *assessor) labels(name string) string {
	if o := s.from.get("type", name); o != nil {
		return o.Attributes["labels"]
	}
	return ""
}

// quoted is a string as SQL.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// valueWord stands for the value in the condition of a domain.
var valueWord = regexp.MustCompile(`\bVALUE\b`)
