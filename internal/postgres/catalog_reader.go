package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/snapshot"
)

// address is what the server knows an object by: its catalog, its number, and of a column its place.
type address struct {
	class string
	oid   string
	sub   string
}

// catalogReader puts the rows of the catalog together. Numbers of objects stay text, as the server sends them.
type catalogReader struct {
	major   int
	limit   int               // bytes of a definition
	catalog map[string]string // number of a catalog → its name
	owner   string            // role that owns the database
	roles   map[string]string
	member  map[address]bool // of an extension, or made with a type
	schemas map[string]string
	classes map[string]*class
	formats map[[2]string]string
	columns map[[2]string]*attribute    // relation and place
	backing map[string]*snapshot.Object // index → its constraint
	types   map[string]*snapshot.Object
	own     map[[2]string][]string // relation and place → real names of the column's sequences, where the server chose them
	objects []*snapshot.Object
	at      map[address]*snapshot.Object
}

// class is a row of pg_class.
type class struct {
	name    string // qualified and quoted
	kind    string
	rel     string // as it is, unquoted
	quoted  string // without its schema
	object  *snapshot.Object
	columns []*attribute // by place

	options, tablespace string // of an index
}

// attribute is a row of pg_attribute.
type attribute struct {
	name   string // quoted
	object *snapshot.Object
	typ    string
}

func newCatalogReader(major, limit int) *catalogReader {
	return &catalogReader{
		major: major, limit: limit, catalog: map[string]string{}, roles: map[string]string{}, member: map[address]bool{}, schemas: map[string]string{}, classes: map[string]*class{},
		formats: map[[2]string]string{}, columns: map[[2]string]*attribute{}, backing: map[string]*snapshot.Object{}, types: map[string]*snapshot.Object{}, own: map[[2]string][]string{}, at: map[address]*snapshot.Object{},
	}
}

// row is one row as text; a NULL is empty.
type row [][]byte

func (r row) text(i int) string { return string(r[i]) }
func (r row) is(i int) bool     { return len(r[i]) == 1 && r[i][0] == 't' }
func (r row) null(i int) bool   { return r[i] == nil }

// part is one query and what becomes of its rows.
type part struct {
	query string
	each  func(row)
}

// read sends all queries at once: they cost one round trip.
func (r *catalogReader) read(ctx context.Context, conn *pgx.Conn) error {
	props, err := readProperties(ctx, conn, conn.Config().Database)
	if err != nil {
		return err
	}
	parts := r.parts()
	queries := make([]string, len(parts))
	for i, p := range parts {
		queries[i] = p.query
	}
	results := conn.PgConn().Exec(ctx, strings.Join(queries, ";\n"))
	for i := 0; results.NextResult(); i++ {
		rows := results.ResultReader()
		for rows.NextRow() {
			parts[i].each(rows.Values())
		}
	}
	if err := results.Close(); err != nil {
		return err
	}
	r.database(props)
	return nil
}

// parts are in an order in which each finds what it refers to.
func (r *catalogReader) parts() []part {
	return []part{
		{`SELECT oid, relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'`, func(v row) { r.catalog[v.text(0)] = v.text(1) }},
		{`SELECT oid, rolname FROM pg_roles`, func(v row) { r.roles[v.text(0)] = v.text(1) }},
		{`SELECT datdba FROM pg_database WHERE datname = current_database()`, func(v row) { r.owner = v.text(0) }},
		{membersQuery, func(v row) { r.member[address{class: r.catalog[v.text(0)], oid: v.text(1)}] = true }},
		{`SELECT n.oid, quote_ident(n.nspname), n.nspowner FROM pg_namespace n WHERE ` + userSchema, r.schema},
		{extensionsQuery, r.extension},
		{classesQuery(), r.class},
		{`SELECT inhrelid, inhparent FROM pg_inherits ORDER BY inhrelid, inhseqno`, r.inherits},
		{formatsQuery, func(v row) { r.formats[[2]string{v.text(0), v.text(1)}] = v.text(2) }},
		{attributesQuery(r.major), r.attribute},
		{sequencesQuery, r.sequence},
		{defaultsQuery, r.fallback},
		{typesQuery, r.typ},
		{labelsQuery, r.label},
		{constraintsQuery, r.constraint},
		{indexesQuery(r.major), r.index},
		{routinesQuery, r.routine},
		{aggregatesQuery, r.routine},
		{triggersQuery(r.major), r.trigger},
		{rulesQuery, r.rule},
		{policiesQuery, r.policy},
		{statisticsQuery, r.statistics},
		{eventTriggersQuery, func(v row) { r.owned("pg_event_trigger", "event trigger", v) }},
		{publicationsQuery(), func(v row) { r.owned("pg_publication", "publication", v) }},
		{foreignServersQuery, func(v row) { r.owned("pg_foreign_server", "foreign server", v) }},
		{defaultPrivilegesQuery, r.defaultPrivileges},
		{rareQuery(), r.rare},
		{grantsQuery(), r.grant},
		{commentsQuery, r.comment},
	}
}

// role is a role's name, or what stands for the owner of the database: environments call theirs differently.
func (r *catalogReader) role(oid string) string {
	switch {
	case oid == "0":
		return "PUBLIC"
	case oid == r.owner || r.roles[oid] == "pg_database_owner":
		return "(owner)"
	}
	return r.roles[oid]
}

// add takes an object in unless it belongs to an extension, and reports whether it did.
func (r *catalogReader) add(at address, o *snapshot.Object) bool {
	if r.member[address{class: at.class, oid: at.oid}] {
		return false
	}
	o.Definition = r.bounded(o.Definition)
	r.objects = append(r.objects, o)
	r.at[at] = o
	return true
}

// set gives an object an attribute unless it is empty.
func (r *catalogReader) set(o *snapshot.Object, key, value string) {
	if value == "" {
		return
	}
	if o.Attributes == nil {
		o.Attributes = map[string]string{}
	}
	o.Attributes[key] = r.bounded(value)
}

func (r *catalogReader) setOwner(o *snapshot.Object, oid string) {
	if name := r.role(oid); name != "(owner)" {
		r.set(o, "owner", name)
	}
}

// sorted returns the objects by kind and name. Objects of one name, as two equal indexes, are told apart by number.
func (r *catalogReader) sorted() []snapshot.Object {
	slices.SortStableFunc(r.objects, func(a, b *snapshot.Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Real, b.Real))
	})
	out := make([]snapshot.Object, 0, len(r.objects))
	same := 1
	for i, o := range r.objects {
		if i > 0 && r.objects[i-1].Kind == o.Kind && r.objects[i-1].Name == o.Name {
			same++
		} else {
			same = 1
		}
		c := *o
		if same > 1 {
			c.Name += " (" + strconv.Itoa(same) + ")"
		}
		out = append(out, c)
	}
	return out
}

func (r *catalogReader) schema(v row) {
	r.schemas[v.text(0)] = v.text(1)
	o := &snapshot.Object{Kind: "schema", Name: v.text(1)}
	r.setOwner(o, v.text(2))
	if o.Name == "public" { // who made the database, which says nothing
		delete(o.Attributes, "owner")
	}
	r.add(address{class: "pg_namespace", oid: v.text(0)}, o)
}

func (r *catalogReader) extension(v row) {
	o := &snapshot.Object{Kind: "extension", Name: v.text(1)}
	r.set(o, "version", v.text(2))
	r.set(o, "schema", v.text(3))
	r.add(address{class: "pg_extension", oid: v.text(0)}, o)
}

var classKinds = map[string]string{"r": "table", "p": "table", "f": "foreign table", "v": "view", "m": "materialized view", "S": "sequence"}

func (r *catalogReader) class(v row) {
	c := &class{name: r.schemas[v.text(1)] + "." + v.text(3), kind: v.text(4), rel: v.text(2), quoted: v.text(3), options: v.text(10), tablespace: v.text(13)}
	r.classes[v.text(0)] = c
	kind := classKinds[c.kind]
	if kind == "" { // an index, or a type, which its own row tells
		return
	}
	o := &snapshot.Object{Kind: kind, Name: c.name, Definition: v.text(18)}
	r.setOwner(o, v.text(6))
	if v.text(5) == "u" {
		r.set(o, "persistence", "unlogged")
	}
	switch {
	case v.is(8):
		r.set(o, "row_security", "forced")
	case v.is(7):
		r.set(o, "row_security", "enabled")
	}
	if identity := v.text(9); identity != "d" && identity != "n" || identity == "n" && c.kind == "r" {
		r.set(o, "replica_identity", identity)
	}
	r.set(o, "options", v.text(10))
	r.set(o, "toast_options", v.text(11))
	r.set(o, "access_method", v.text(12))
	r.set(o, "tablespace", v.text(13))
	r.set(o, "of_type", v.text(14))
	r.set(o, "partition_by", v.text(15))
	r.set(o, "bounds", v.text(16))
	r.set(o, "server", v.text(17))
	if r.add(address{class: "pg_class", oid: v.text(0)}, o) {
		c.object = o
	}
}

func (r *catalogReader) inherits(v row) {
	child, parent := r.classes[v.text(0)], r.classes[v.text(1)]
	if child == nil || parent == nil || child.object == nil {
		return
	}
	key := "inherits"
	if child.object.Attributes["bounds"] != "" {
		key = "partition_of"
	}
	if was := child.object.Attributes[key]; was != "" {
		r.set(child.object, key, was+", "+parent.name)
		return
	}
	r.set(child.object, key, parent.name)
}

// attribute takes in a column. Its place does not count, except in a composite type, which typ tells.
func (r *catalogReader) attribute(v row) {
	c := r.classes[v.text(0)]
	if c == nil || c.object == nil && c.kind != "c" {
		return
	}
	a := &attribute{name: v.text(2), typ: r.formats[[2]string{v.text(3), v.text(4)}]}
	c.columns = append(c.columns, a)
	r.columns[[2]string{v.text(0), v.text(1)}] = a
	if c.kind == "c" {
		if collation := v.text(8); collation != "" {
			a.typ += " COLLATE " + collation
		}
		return
	}
	o := &snapshot.Object{Kind: "column", Name: c.name + "." + a.name, Table: c.name}
	if c.kind != "v" && c.kind != "m" {
		r.set(o, "type", a.typ)
		if v.is(5) {
			r.set(o, "not_null", "true")
		}
		r.set(o, "identity", map[string]string{"a": "always", "d": "by default"}[v.text(6)])
		if v.is(14) && !v.is(15) {
			r.set(o, "inherited", "true")
		}
		r.set(o, "collation", v.text(8))
		r.set(o, "foreign_options", v.text(13))
	}
	r.set(o, "storage", v.text(9))
	r.set(o, "compression", strings.TrimRight(v.text(10), "\x00"))
	r.set(o, "statistics", v.text(11))
	r.set(o, "options", v.text(12))
	a.object = o
	if c.kind == "v" || c.kind == "m" { // the definition has the rest; a grant or a comment still finds it
		r.at[address{"pg_class", v.text(0), v.text(1)}] = c.object
		for key, value := range o.Attributes {
			r.set(c.object, "column "+a.name+" "+key, value)
		}
		a.object = nil
		return
	}
	r.set(o, "generated", map[string]string{"s": "stored", "v": "virtual"}[v.text(7)])
	r.add(address{"pg_class", v.text(0), v.text(1)}, o)
	r.at[address{"pg_class", v.text(0), v.text(1)}] = o
}

// fallback takes in a default, or the expression of a generated column. The sequence that belongs to the column is named
// by what it is, unless somebody chose its name.
func (r *catalogReader) fallback(v row) {
	a := r.columns[[2]string{v.text(0), v.text(1)}]
	c := r.classes[v.text(0)]
	if a == nil || c == nil {
		return
	}
	if a.object == nil {
		if c.object != nil {
			r.set(c.object, "column "+a.name+" default", v.text(2))
		}
		return
	}
	expression := v.text(2)
	for _, sequence := range r.own[[2]string{v.text(0), v.text(1)}] {
		expression = strings.ReplaceAll(expression, "nextval("+literal(sequence)+"::regclass)", "nextval(its own sequence)")
	}
	if a.object.Attributes["generated"] != "" {
		r.set(a.object, "expression", expression)
		return
	}
	r.set(a.object, "default", expression)
}

func (r *catalogReader) sequence(v row) {
	c := r.classes[v.text(0)]
	if c == nil || c.object == nil {
		return
	}
	o := c.object
	for i, key := range []string{"type", "start", "increment", "min", "max", "cache"} {
		r.set(o, key, v.text(1+i))
	}
	if v.is(7) {
		r.set(o, "cycle", "true")
	}
	table, column := r.classes[v.text(8)], r.columns[[2]string{v.text(8), v.text(9)}]
	if table == nil || column == nil {
		return
	}
	o.Table = table.name
	delete(o.Attributes, "persistence") // its table's
	r.set(o, "owned_by", column.name)
	identity := v.text(10) == "i"
	if identity {
		r.set(o, "identity", "true")
	}
	if identity || generated(c.rel, "seq") {
		o.Real, o.Name = c.name, table.name+"."+column.name+" (sequence)"
		place := [2]string{v.text(8), v.text(9)}
		r.own[place] = append(r.own[place], c.name)
	}
}

func (r *catalogReader) typ(v row) {
	o := &snapshot.Object{Kind: "type", Name: v.text(1)}
	r.setOwner(o, v.text(3))
	switch v.text(2) {
	case "e":
		r.set(o, "class", "enum")
	case "d":
		o.Kind = "domain"
		r.set(o, "type", v.text(5))
		if v.is(6) {
			r.set(o, "not_null", "true")
		}
		r.set(o, "default", v.text(7))
		r.set(o, "collation", v.text(8))
	case "r":
		r.set(o, "class", "range")
		o.Definition = v.text(9)
	case "b":
		r.set(o, "class", "base")
		o.Definition = v.text(9)
	case "c":
		r.set(o, "class", "composite")
		c := r.classes[v.text(4)]
		if c == nil {
			return
		}
		var columns []string
		for _, a := range c.columns {
			columns = append(columns, a.name+" "+a.typ)
		}
		o.Definition = strings.Join(columns, ", ")
		c.name = v.text(1)
		r.at[address{class: "pg_class", oid: v.text(4)}] = o
	}
	if r.add(address{class: "pg_type", oid: v.text(0)}, o) {
		r.types[v.text(0)] = o
	}
}

// label takes in a value of an enumeration, in their order.
func (r *catalogReader) label(v row) {
	if o := r.types[v.text(0)]; o != nil {
		quoted := literal(v.text(1))
		if was := o.Attributes["labels"]; was != "" {
			quoted = was + ", " + quoted
		}
		o.Attributes["labels"] = quoted // bounded by the server: a label has 63 bytes
	}
}

// numbers takes an array of the server apart, such as {1,2}.
func numbers(array string) []string {
	array = strings.Trim(array, "{}")
	if array == "" {
		return nil
	}
	return strings.Split(array, ",")
}

// names are the columns of a relation at places, joined.
func (r *catalogReader) names(relation, places string) string {
	var names []string
	for _, place := range numbers(places) {
		if a := r.columns[[2]string{relation, place}]; a != nil {
			names = append(names, a.name)
		}
	}
	return strings.Join(names, ", ")
}

var constraintKinds = map[string]string{"p": "primary key", "u": "unique", "f": "foreign key", "c": "check", "x": "exclude"}

var constraintEndings = map[string]string{"p": "pkey", "u": "key", "f": "fkey", "c": "check", "x": "excl"}

func (r *catalogReader) constraint(v row) {
	kind := v.text(4)
	o := &snapshot.Object{Kind: "constraint", Definition: v.text(13)}
	if c := r.classes[v.text(1)]; c != nil && c.object != nil {
		o.Table = c.name
	} else if t := r.types[v.text(2)]; t != nil {
		o.Table = t.Name
		r.set(o, "of", "domain")
	} else {
		return
	}
	r.set(o, "type", cmp.Or(constraintKinds[kind], kind))
	r.set(o, "columns", r.names(v.text(1), v.text(7)))
	if referred := r.classes[v.text(8)]; referred != nil {
		r.set(o, "references", referred.name)
		r.set(o, "referred", r.names(v.text(8), v.text(9)))
	}
	if v.is(10) && !v.is(11) || v.is(12) {
		r.set(o, "inherited", "true")
	}
	r.nameIt(o, v.text(3), constraintEndings[kind])
	if r.add(address{class: "pg_constraint", oid: v.text(0)}, o) && v.text(6) != "0" && kind != "f" {
		r.backing[v.text(6)] = o
	}
}

// nameIt names a constraint or index by what it is where the server or chance chose its name.
func (r *catalogReader) nameIt(o *snapshot.Object, quoted, ending string) {
	o.Name, o.Real = o.Table+"."+quoted, quoted
	if generated(strings.Trim(quoted, `"`), ending) {
		o.Name = o.Table + ": " + clipped(o.Definition, 200)
	} else {
		r.set(o, "name", "chosen")
	}
}

func (r *catalogReader) index(v row) {
	c, table := r.classes[v.text(0)], r.classes[v.text(1)]
	if c == nil || table == nil || table.object == nil {
		return
	}
	o := r.backing[v.text(0)]
	own := o == nil
	if own {
		o = &snapshot.Object{Kind: "index", Table: table.name}
		// CREATE [UNIQUE] INDEX name ON [ONLY] table USING …
		definition := v.text(8)
		if _, rest, ok := strings.Cut(definition, " USING "); ok && !strings.Contains(c.name+table.name, " USING ") {
			definition = "USING " + rest
		}
		if v.is(2) {
			definition = "UNIQUE " + definition
			r.set(o, "unique", "true")
		}
		o.Definition = definition
		r.set(o, "keys", v.text(9))
		r.set(o, "where", v.text(10))
	}
	if !v.is(3) && c.kind != "I" || !v.is(4) {
		r.set(o, "invalid", "true")
	}
	if v.is(5) {
		r.set(o, "clustered", "true")
	}
	if v.is(6) {
		r.set(o, "replica_identity", "true")
	}
	if !v.is(7) {
		r.set(o, "nulls_distinct", "false")
	}
	r.set(o, "statistics", v.text(11))
	r.set(o, "options", c.options)
	r.set(o, "tablespace", c.tablespace)
	if !own {
		r.at[address{class: "pg_class", oid: v.text(0)}] = o
		return
	}
	r.nameIt(o, c.quoted, "idx")
	r.add(address{class: "pg_class", oid: v.text(0)}, o)
}

var routineKinds = map[string]string{"p": "procedure", "a": "aggregate"}

func (r *catalogReader) routine(v row) {
	o := &snapshot.Object{Kind: cmp.Or(routineKinds[v.text(2)], "function"), Name: v.text(1), Definition: v.text(4)}
	r.setOwner(o, v.text(3))
	r.add(address{class: "pg_proc", oid: v.text(0)}, o)
}

func (r *catalogReader) trigger(v row) {
	if o := r.part("pg_trigger", "trigger", v.text(0), v.text(1), v.text(2), v.text(4)); o != nil && v.text(3) != "O" {
		r.set(o, "enabled", v.text(3))
	}
}

func (r *catalogReader) rule(v row) {
	if o := r.part("pg_rewrite", "rule", v.text(0), v.text(1), v.text(2), v.text(4)); o != nil && v.text(3) != "O" {
		r.set(o, "enabled", v.text(3))
	}
}

func (r *catalogReader) policy(v row) {
	o := r.part("pg_policy", "policy", v.text(0), v.text(1), v.text(2), "")
	if o == nil {
		return
	}
	var roles []string
	for _, oid := range numbers(v.text(5)) {
		roles = append(roles, r.role(oid))
	}
	slices.Sort(roles)
	r.set(o, "command", v.text(3))
	if !v.is(4) {
		r.set(o, "restrictive", "true")
	}
	r.set(o, "roles", strings.Join(roles, ", "))
	r.set(o, "using", v.text(6))
	r.set(o, "check", v.text(7))
}

// part is an object that belongs to a relation and has a name there.
func (r *catalogReader) part(catalog, kind, oid, relation, name, definition string) *snapshot.Object {
	c := r.classes[relation]
	if c == nil || c.object == nil {
		return nil
	}
	o := &snapshot.Object{Kind: kind, Name: c.name + "." + name, Table: c.name, Definition: definition}
	if !r.add(address{class: catalog, oid: oid}, o) {
		return nil
	}
	return o
}

func (r *catalogReader) statistics(v row) {
	c := r.classes[v.text(1)]
	if c == nil {
		return
	}
	// CREATE STATISTICS name (kinds) ON columns FROM table
	o := &snapshot.Object{Kind: "statistics", Name: v.text(2), Table: c.name, Definition: strings.TrimPrefix(v.text(4), "CREATE STATISTICS "+v.text(2)+" ")}
	r.setOwner(o, v.text(3))
	r.add(address{class: "pg_statistic_ext", oid: v.text(0)}, o)
}

// owned takes in an object of the whole database: number, name, owner, definition.
func (r *catalogReader) owned(catalog, kind string, v row) {
	o := &snapshot.Object{Kind: kind, Name: v.text(1), Definition: v.text(3)}
	r.setOwner(o, v.text(2))
	r.add(address{class: catalog, oid: v.text(0)}, o)
}

func (r *catalogReader) defaultPrivileges(v row) {
	o := &snapshot.Object{Kind: "default privileges", Name: fmt.Sprintf("%s of %s", v.text(2), r.role(v.text(1)))}
	if !v.null(3) {
		o.Name += " in " + v.text(3)
	}
	r.add(address{class: "pg_default_acl", oid: v.text(0)}, o)
}

func (r *catalogReader) rare(v row) {
	r.add(address{class: r.catalog[v.text(0)], oid: v.text(1)}, &snapshot.Object{Kind: v.text(2), Name: v.text(3)})
}

// grant takes in what one role has beyond the default (+), or what was taken from it (-).
func (r *catalogReader) grant(v row) {
	sub := v.text(2)
	if sub == "0" {
		sub = ""
	}
	o := r.at[address{r.catalog[v.text(0)], v.text(1), sub}]
	role := r.role(v.text(4))
	if role == "" {
		role = "(gone)"
	}
	line := v.text(3) + role + ": " + v.text(5)
	if o == nil {
		return
	}
	key := "grants"
	if sub != "" && o.Kind != "column" {
		key = "column " + r.columns[[2]string{v.text(1), sub}].name + " grants"
	}
	lines := strings.Split(o.Attributes[key], "; ")
	lines = slices.DeleteFunc(append(lines, line), func(l string) bool { return l == "" })
	slices.Sort(lines)
	r.set(o, key, strings.Join(lines, "; "))
}

func (r *catalogReader) comment(v row) {
	sub := v.text(2)
	if sub == "0" {
		sub = ""
	}
	o := r.at[address{r.catalog[v.text(0)], v.text(1), sub}]
	if o == nil {
		return
	}
	key := "comment"
	if sub != "" && o.Kind != "column" {
		a := r.columns[[2]string{v.text(1), sub}]
		if a == nil {
			return
		}
		key = "column " + a.name + " comment"
	}
	r.set(o, key, v.text(3))
}

// database takes in what belongs to the database as a whole and decides how it works.
func (r *catalogReader) database(p Properties) {
	o := &snapshot.Object{Kind: "database", Name: "database"}
	r.set(o, "encoding", p.Encoding)
	r.set(o, "collate", p.Collate)
	r.set(o, "ctype", p.CType)
	r.set(o, "provider", p.Provider)
	r.set(o, "locale", p.Locale)
	for _, s := range p.Settings {
		key := "setting " + s.Name
		if s.Role == p.Owner {
			key += " of (owner)"
		} else if s.Role != "" {
			key += " of " + s.Role
		}
		if strings.Contains(s.Name, ".") { // of an application, which may keep a secret there
			s.Value = "(set)"
		}
		r.set(o, key, s.Value)
	}
	r.objects = append(r.objects, o)
}
