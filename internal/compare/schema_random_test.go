package compare_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/process"
)

// The number of pairs, and the seed of a run that is to be repeated.
const (
	pairsVariable = "PROMOTE_COMPARE_PAIRS"
	seedVariable  = "PROMOTE_COMPARE_SEED"
)

func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: expected a number", variable, text)
	}
	return n
}

// Two databases come to the same schema by different routes; then random DDL is applied to one of them. What is found has
// to be what was applied, and pg_dump has to call equal what is called equal here.
func TestRandomSchemas(t *testing.T) {
	l := newLab(t)
	seed := number(t, seedVariable, rand.Uint64())
	t.Logf("%s=%d", seedVariable, seed)
	pairs := number(t, pairsVariable, 6)
	differences, equal := 0, 0
	for i := range pairs {
		r := rand.New(rand.NewPCG(seed, i))
		w := newWorld(r)
		l.database("random_from", w.route(r)...)
		l.database("random_to", w.route(r)...)
		applied := map[string]string{}
		if i%4 != 0 { // else the equal case by different routes
			for _, c := range w.alterations(r) {
				l.run("random_from", c.sql)
				applied[c.finding] = c.sql
			}
		}
		found := map[string]bool{}
		for _, f := range l.compare("random_from", "random_to", compare.Rules{}) {
			found[strings.TrimPrefix(f.ID, "schema/")] = true
		}
		for id, sql := range applied {
			if !found[id] {
				t.Errorf("pair %d: not found: %s (%s)", i, id, sql)
			}
		}
		for id := range found {
			if applied[id] == "" {
				t.Errorf("pair %d: found and not applied: %s", i, id)
			}
		}
		same := slices.Equal(l.dump("random_from"), l.dump("random_to"))
		if same != (len(found) == 0) {
			t.Errorf("pair %d: %d differences found, pg_dump says equal: %t\n%s", i, len(found), same, lineDiff(l.dump("random_from"), l.dump("random_to")))
		}
		differences += len(applied)
		if same {
			equal++
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("pairs=%d differences=%d equal=%d", pairs, differences, equal)
}

// world is a random schema: what route writes as DDL, in one of many ways.
type world struct {
	tables []*worldTable
	enums  []string
}

type worldTable struct {
	name    string
	columns []worldColumn
	checks  []string
	indexes []string
	parent  string // referred to by the column ref
}

type worldColumn struct{ name, typ, more string }

var worldTypes = []string{"int", "bigint", "text", "varchar(20)", "numeric(8,2)", "boolean", "date", "timestamptz", "jsonb", "uuid", "text[]"}

// worldNames are what schemas have to bear.
var worldNames = []string{"plain", `"Quoted ""one"""`, `"select"`, `"mit Umlaut äöü"`, `"line` + "\n" + `break"`, "\"`tick` |pipe|\"", `"<script>alert(1)</script>"`, `"` + strings.Repeat("ñ", 31) + `x"`, `"it's"`, `"a.b"`, `"a, b"`}

func newWorld(r *rand.Rand) *world {
	w := &world{}
	for i := range 1 + r.IntN(2) {
		w.enums = append(w.enums, fmt.Sprintf("kind%d", i))
	}
	names := slices.Clone(worldNames)
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for i := range 3 + r.IntN(4) {
		t := &worldTable{name: names[i]}
		columns := slices.Clone(worldNames)
		r.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		for j := range 2 + r.IntN(4) {
			c := worldColumn{name: columns[j], typ: worldTypes[r.IntN(len(worldTypes))]}
			if r.IntN(5) == 0 {
				c.typ = w.enums[r.IntN(len(w.enums))]
			}
			switch r.IntN(5) {
			case 0:
				c.more = " NOT NULL"
			case 1:
				if c.typ == "int" || c.typ == "bigint" {
					c.more = " DEFAULT 7"
				}
			case 2:
				if c.typ == "text" {
					c.more = ` COLLATE "C"`
				}
			}
			t.columns = append(t.columns, c)
		}
		if r.IntN(2) == 0 {
			t.indexes = append(t.indexes, t.columns[0].name)
		}
		if first := t.columns[0]; first.typ == "int" || first.typ == "bigint" {
			t.checks = append(t.checks, first.name+" > "+strconv.Itoa(r.IntN(9)))
		}
		if i > 0 && r.IntN(2) == 0 {
			t.parent = w.tables[r.IntN(i)].name
		}
		w.tables = append(w.tables, t)
	}
	return w
}

// route is DDL that leads to the schema: columns come in any order, with the table or after it, constraints with it or
// after it, and names that the server chose may be those of an earlier name.
func (w *world) route(r *rand.Rand) []string {
	var sql, later []string
	for _, e := range w.enums {
		if r.IntN(2) == 0 {
			sql = append(sql, "CREATE TYPE "+e+" AS ENUM ('a', 'b''c', 'd')")
		} else {
			sql = append(sql, "CREATE TYPE "+e+" AS ENUM ('d')", "ALTER TYPE "+e+" ADD VALUE 'a' BEFORE 'd'", "ALTER TYPE "+e+" ADD VALUE 'b''c' BEFORE 'd'")
		}
	}
	for i, t := range w.tables {
		name := t.name
		if r.IntN(4) == 0 {
			name = fmt.Sprintf("before%d", i)
		}
		rename := name != t.name
		with, after := []string{"id bigserial PRIMARY KEY"}, []string{}
		if r.IntN(2) == 0 { // what serial stands for
			with[0] = "id bigint NOT NULL"
			sequence := fmt.Sprintf("own%d_id_seq", i)
			sql = append(sql, "CREATE SEQUENCE "+sequence)
			after = append(after, "ALTER TABLE %s ALTER COLUMN id SET DEFAULT nextval('"+sequence+"')", "ALTER SEQUENCE "+sequence+" OWNED BY %s.id", "ALTER TABLE %s ADD PRIMARY KEY (id)")
		}
		columns := slices.Clone(t.columns)
		r.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
		for _, c := range columns {
			switch {
			case r.IntN(2) == 0:
				with = append(with, c.name+" "+c.typ+c.more)
			case c.more == " NOT NULL":
				after = append(after, "ALTER TABLE %s ADD COLUMN "+c.name+" "+c.typ, "ALTER TABLE %s ALTER COLUMN "+c.name+" SET NOT NULL")
			default:
				after = append(after, "ALTER TABLE %s ADD COLUMN "+c.name+" "+c.typ+c.more)
			}
		}
		if r.IntN(3) == 0 {
			after = append(after, "ALTER TABLE %s ADD COLUMN gone int", "ALTER TABLE %s DROP COLUMN gone")
		}
		for _, c := range t.checks {
			after = append(after, "ALTER TABLE %s ADD CHECK ("+c+")")
		}
		for _, c := range t.indexes {
			after = append(after, "CREATE INDEX ON %s ("+c+")")
		}
		if t.parent != "" {
			with = append(with, "ref bigint")
			later = append(later, "ALTER TABLE "+t.name+" ADD FOREIGN KEY (ref) REFERENCES "+t.parent)
		}
		sql = append(sql, "CREATE TABLE "+name+" ("+strings.Join(with, ", ")+")")
		cut := len(after)
		if rename {
			cut = r.IntN(len(after) + 1)
		}
		for j, a := range after {
			if j == cut {
				sql, name = append(sql, "ALTER TABLE "+name+" RENAME TO "+t.name), t.name
			}
			sql = append(sql, strings.ReplaceAll(a, "%s", name))
		}
		if name != t.name {
			sql = append(sql, "ALTER TABLE "+name+" RENAME TO "+t.name)
		}
	}
	r.Shuffle(len(later), func(i, j int) { later[i], later[j] = later[j], later[i] })
	return append(sql, later...)
}

// alteration is one statement and the finding that it has to lead to.
type alteration struct{ sql, finding string }

// alterations are one to five random changes, each of another object.
func (w *world) alterations(r *rand.Rand) []alteration {
	var all []alteration
	for i, t := range w.tables {
		n := "public." + t.name
		c := t.columns[0]
		last := t.columns[len(t.columns)-1]
		all = append(all,
			alteration{"ALTER TABLE " + t.name + " ADD COLUMN added int", "column-added/" + n + ".added"},
			alteration{"COMMENT ON TABLE " + t.name + " IS '| `x` <b>'", "comment-changed/" + n},
			alteration{"ALTER TABLE " + t.name + " ADD CONSTRAINT chosen CHECK (id > 0)", "constraint-added/" + n + ".chosen"},
			alteration{fmt.Sprintf("CREATE INDEX chosen%d ON %s (id DESC)", i, t.name), fmt.Sprintf("index-added/%s.chosen%d", n, i)},
			alteration{"ALTER TABLE " + t.name + " ADD UNIQUE (id)", "constraint-added/" + n + ": UNIQUE (id)"},
			alteration{"CREATE TRIGGER t BEFORE UPDATE ON " + t.name + " FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "trigger-added/" + n + ".t"},
			alteration{"CREATE POLICY p ON " + t.name + " USING (id > 1)", "policy-added/" + n + ".p"},
			alteration{"ALTER TABLE " + t.name + " ALTER COLUMN id SET STATISTICS 77", "column-changed/" + n + ".id"})
		if last.name != c.name {
			all = append(all, alteration{"ALTER TABLE " + t.name + " DROP COLUMN " + last.name, "column-dropped/" + n + "." + last.name})
		}
		if len(t.checks) == 0 && len(t.indexes) == 0 {
			switch c.typ {
			case "int":
				all = append(all, alteration{"ALTER TABLE " + t.name + " ALTER COLUMN " + c.name + " TYPE bigint", "column-changed/" + n + "." + c.name})
			case "varchar(20)":
				all = append(all, alteration{"ALTER TABLE " + t.name + " ALTER COLUMN " + c.name + " TYPE varchar(21)", "column-changed/" + n + "." + c.name})
			default:
				all = append(all, alteration{"COMMENT ON COLUMN " + t.name + "." + c.name + " IS 'x'", "comment-changed/" + n + "." + c.name})
			}
		}
	}
	for _, e := range w.enums {
		all = append(all, alteration{"ALTER TYPE " + e + " ADD VALUE 'new'", "type-changed/public." + e})
	}
	all = append(all,
		alteration{"CREATE TABLE fresh (id serial PRIMARY KEY, a text CHECK (a <> ''))", "table-added/public.fresh"},
		alteration{"CREATE VIEW v AS SELECT id FROM " + w.tables[0].name, "view-added/public.v"},
		alteration{"CREATE MATERIALIZED VIEW mv AS SELECT id FROM " + w.tables[0].name, "materialized-view-added/public.mv"},
		alteration{"CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function-added/public.f(integer)"},
		alteration{"CREATE SEQUENCE s", "sequence-added/public.s"},
		alteration{"CREATE DOMAIN d AS int", "domain-added/public.d"},
		alteration{"CREATE SCHEMA x", "schema-added/x"},
		alteration{"CREATE EXTENSION citext", "extension-added/citext"},
		alteration{"CREATE TABLE parts (id int) PARTITION BY RANGE (id)", "table-added/public.parts"},
		alteration{"GRANT SELECT ON " + w.tables[len(w.tables)-1].name + " TO PUBLIC", "grants-changed/public." + w.tables[len(w.tables)-1].name},
	)
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var chosen []alteration
	seen := map[string]bool{}
	for _, a := range all {
		_, subject, _ := strings.Cut(a.finding, "/")
		if !seen[subject] { // two changes of one object are one difference
			seen[subject] = true
			chosen = append(chosen, a)
		}
	}
	return chosen[:1+r.IntN(5)]
}

var (
	anyName       = regexp.MustCompile(`"(?:[^"]|"")*"|[A-Za-z0-9_]+`)
	generatedName = regexp.MustCompile(`(?s)^"?.*_(pkey|key|check|fkey|idx|seq)\d*"?$`)
)

// dump is what pg_dump writes of a schema, as sorted statements with sorted lines, without names that the server chose.
func (l *lab) dump(db string) []string {
	l.t.Helper()
	var statements []string
	for _, s := range strings.Split(string(l.plainDump(db)), ";\n") {
		s = anyName.ReplaceAllStringFunc(s, func(name string) string { return generatedName.ReplaceAllString(name, "~$1") })
		var lines []string
		for _, line := range strings.Split(s, "\n") {
			if line = strings.TrimSuffix(strings.TrimSpace(line), ","); line != "" && !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, `\`) {
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 && !strings.HasPrefix(lines[0], "SET ") && !strings.HasPrefix(lines[0], "SELECT pg_catalog.set_config") {
			slices.Sort(lines)
			statements = append(statements, strings.Join(lines, "\n"))
		}
	}
	slices.Sort(statements)
	return statements
}

func (l *lab) plainDump(db string) []byte {
	l.t.Helper()
	out, err := process.Output(l.t.Context(), process.Command{Path: filepath.Join(l.kit.Bin, "pg_dump"), Args: []string{"-s", "--no-owner", "-h", l.kit.Host(), "-p", strconv.Itoa(l.kit.Port), "-U", l.kit.User, "-d", db}})
	if err != nil {
		l.t.Errorf("pg_dump: %v: %s", err, out)
	}
	return out
}

func lineDiff(a, b []string) string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, "< "+s)
		}
	}
	for _, s := range b {
		if !slices.Contains(a, s) {
			out = append(out, "> "+s)
		}
	}
	return strings.Join(out, "\n")
}
