package rehearsal

import (
	"regexp"
	"strings"
)

// schema is the objects of one database.
type schema struct {
	objects map[string]object // by kind and name
	names   map[string]string // bare name → an object that has it
}

// object is one entry of a schema's text.
type object struct {
	kind, name string
	definition string
	owner      string // of what belongs to a table, a view or a type
	last       string // the part of the name behind the schema or the owner, as SQL writes it
}

// kinds are what names of objects begin with, those first that begin with another.
func kinds() []string {
	return []string{
		"materialized view", "foreign table", "foreign server", "event trigger", "default privileges", "comment on",
		"schema", "table", "view", "sequence", "type", "column", "constraint", "index", "function", "procedure", "aggregate", "trigger", "rule", "policy",
		"extension", "statistics", "publication", "database",
	}
}

func newSchema(text map[string]string) schema {
	s := schema{objects: map[string]object{}, names: map[string]string{}}
	for key, definition := range text {
		o := newObject(key, definition)
		s.objects[key] = o
		if o.relation() || o.callable() || o.kind == "type" {
			s.names[o.bare()] = o.kind + " " + o.name
		}
	}
	return s
}

func newObject(key, definition string) object {
	o := object{definition: definition}
	for _, kind := range kinds() {
		if name, ok := strings.CutPrefix(key, kind+" "); ok {
			o.kind, o.name = kind, name
			break
		}
	}
	if o.kind == "" {
		o.kind, o.name, _ = strings.Cut(key, " ")
	}
	owner, last := split(o.signature())
	o.last = last
	switch o.kind {
	case "column", "constraint", "trigger", "rule", "policy":
		o.owner = owner
	}
	return o
}

func (o object) relation() bool {
	switch o.kind {
	case "table", "view", "materialized view", "foreign table", "sequence":
		return true
	}
	return false
}

func (o object) callable() bool {
	return o.kind == "function" || o.kind == "procedure" || o.kind == "aggregate"
}

// signature is the name without what stands behind it: arguments, or the mark of a sequence's second half.
func (o object) signature() string {
	if o.callable() {
		name, _, _ := strings.Cut(o.name, "(")
		return name
	}
	return strings.TrimSuffix(o.name, " as")
}

// bare is the name by which a program means the object that does not name its schema.
func (o object) bare() string {
	space := "relation or type "
	if o.callable() {
		space = "function "
	}
	return space + o.last
}

// holds reports whether there is a relation or a type of that name.
func (s schema) holds(name string) bool {
	for _, kind := range []string{"table", "view", "materialized view", "foreign table", "type"} {
		if _, there := s.objects[kind+" "+name]; there {
			return true
		}
	}
	return false
}

// named finds an object that a program could mean by the bare name of o.
func (s schema) named(o object) (string, bool) {
	other, taken := s.names[o.bare()]
	return other, taken
}

// split cuts a qualified name before its last part.
func split(name string) (owner, last string) {
	at, quoted := -1, false
	for i := range len(name) {
		switch {
		case name[i] == '"':
			quoted = !quoted
		case name[i] == '.' && !quoted:
			at = i
		}
	}
	if at < 0 {
		return "", name
	}
	return name[:at], name[at+1:]
}

func (o object) unique() bool {
	return strings.HasPrefix(o.definition, "CREATE UNIQUE INDEX")
}

const identifier = `(?:"(?:[^"]|"")+"|[^\s"().,]+)`

var (
	indexedForm    = regexp.MustCompile(`^CREATE (?:UNIQUE )?INDEX .*? ON (?:ONLY )?(` + identifier + `(?:\.` + identifier + `)*) USING `)
	referencesForm = regexp.MustCompile(`^FOREIGN KEY \((.*?)\) REFERENCES (` + identifier + `(?:\.` + identifier + `)*)\((.*?)\)`)
	identifierForm = regexp.MustCompile(`"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*`)
	stringForm     = regexp.MustCompile(`'(?:[^']|'')*'`)
	callForm       = regexp.MustCompile(`([\p{L}_][\p{L}\p{N}_$]*)\(`)
	castForm       = regexp.MustCompile(`::([\p{L}_" .]+)`)
	nextForm       = regexp.MustCompile(` [a-z]+=| partition | inherits | server | as `)
)

// indexed is the table of an index.
func (o object) indexed() string {
	if m := indexedForm.FindStringSubmatch(o.definition); m != nil {
		return m[1]
	}
	return ""
}

func (o object) reference() []string {
	return referencesForm.FindStringSubmatch(o.definition)
}

// references is the table that a foreign key points to; empty for another constraint.
func (o object) references() string {
	if m := o.reference(); m != nil {
		return m[2]
	}
	return ""
}

func (o object) referencing() string { return o.reference()[1] }

func (o object) referenced() []string { return strings.Split(o.reference()[3], ", ") }

// field is a word behind a name in a relation's definition, such as its parent's behind inherits.
func (o object) field(name string) string {
	_, rest, found := strings.Cut(o.definition, " "+name+" ")
	if !found {
		return ""
	}
	word, _, _ := strings.Cut(rest, " ")
	return word
}

// identifiers are the words of an SQL text that may be names, as SQL writes them.
func identifiers(text string) map[string]bool {
	out := map[string]bool{}
	for _, word := range identifierForm.FindAllString(stringForm.ReplaceAllString(text, "''"), -1) {
		out[word] = true
	}
	return out
}

// indexable reports whether an index asks nothing of a row that could fail: its expressions call no function but those for
// which every text is good, convert nothing and compute nothing.
func indexable(definition string) bool {
	_, keys, _ := strings.Cut(stringForm.ReplaceAllString(definition, "''"), " USING ")
	_, keys, _ = strings.Cut(keys, " ")
	keys, _, _ = strings.Cut(keys, " tablespace=")
	for _, call := range callForm.FindAllStringSubmatch(keys, -1) {
		switch call[1] {
		case "lower", "upper", "COALESCE", "btrim", "WHERE", "AND", "OR", "NOT", "INCLUDE", "IN", "ANY", "WITH":
		default:
			return false
		}
	}
	for _, cast := range castForm.FindAllStringSubmatchIndex(keys, -1) {
		constant := strings.HasSuffix(keys[:cast[0]], "''")
		switch typ := strings.TrimSpace(keys[cast[2]:cast[3]]); {
		case constant, strings.HasPrefix(typ, "text"), strings.HasPrefix(typ, "character varying"):
		default:
			return false
		}
	}
	return !strings.ContainsAny(keys, "/%+*-|#&^@")
}

// column is what a column's text says.
type column struct {
	typ      string
	notNull  bool
	supplied bool   // the server fills it in for one who does not name it
	meaning  string // all that a program can notice of it
	grants   string
}

func (o object) column() column {
	var c column
	head, tail := o.definition, ""
	if at := strings.LastIndex(o.definition, " storage="); at >= 0 {
		head, tail = o.definition[:at], o.definition[at:]
	}
	_, c.meaning, _ = strings.Cut(head, " ") // without its place
	c.typ = c.meaning
	for _, mark := range []string{" default ", " generated ", " identity "} {
		before, _, found := strings.Cut(c.typ, mark)
		if found {
			c.typ, c.supplied = before, true
		}
	}
	c.typ, _, _ = strings.Cut(c.typ, " collate ")
	c.typ, c.notNull = strings.CutSuffix(c.typ, " not null")
	_, c.grants, _ = strings.Cut(tail, " acl=")
	return c
}

// sameBut reports whether two definitions of a relation differ in nothing but the named fields, and grants that were added.
func sameBut(a, b object, fields ...string) bool {
	rest := func(o object) (string, string) {
		text, grants, _ := cutLast(o.definition, " acl=")
		for _, f := range fields {
			from := strings.Index(text, " "+f+"=")
			if from < 0 {
				continue
			}
			to := len(text)
			if next := nextForm.FindStringIndex(text[from+len(f)+2:]); next != nil {
				to = from + len(f) + 2 + next[0]
			}
			text = text[:from] + text[to:]
		}
		return text, grants
	}
	ta, ga := rest(a)
	tb, gb := rest(b)
	return ta == tb && grantsKept(ga, gb)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if at := strings.LastIndex(s, sep); at >= 0 {
		return s[:at], s[at+len(sep):], true
	}
	return s, "", false
}

// grantsKept reports whether every privilege of one access list is in another.
func grantsKept(was, is string) bool {
	now := map[string]string{}
	for item := range strings.SplitSeq(is, ",") {
		who, what, _ := cutLast(item, "=")
		now[who] = what
	}
	for item := range strings.SplitSeq(was, ",") {
		who, what, _ := cutLast(item, "=")
		privileges, _, _ := strings.Cut(what, "/")
		for _, p := range privileges {
			if !strings.ContainsRune(now[who], p) {
				return false
			}
		}
	}
	return true
}
