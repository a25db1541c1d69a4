package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/snapshot"
)

// assessment is one difference with what a migration of the target towards the source would meet. Whether it meets the
// hazard that query decides is left to the target's rows.
type assessment struct {
	kind      string
	subject   string
	table     string // of the target
	from, to  string
	hazards   []Hazard
	query     string // counts the rows that stand against it
	decides   Hazard // FailsOnRows or DeletesData, where query yields rows; also where there is no query, as MayFailOnRows
	big       bool   // the table is large enough for a rewrite to be felt
	warn      bool   // weighs more than its hazards say
	message   string
	do        string
	rows      *int64
	objective string
	severity  Severity
}

func (f *assessment) id(prefix string) string { return "schema/" + f.kind + "/" + prefix + f.subject }

func (f *assessment) add(h ...Hazard) { f.hazards = append(f.hazards, h...) }

// Rows and bytes from which rewriting or locking a table is felt.
const (
	bigRows  = 100_000
	bigBytes = 64 << 20
)

var hazardOrder = []Hazard{DeletesData, FailsOnRows, MayFailOnRows, BreaksOldCode, RewritesTable, LocksTable, BuildsIndex, ChangesBehavior}

// decide takes the target's answer. Without one the hazard stays possible, unless a rehearsal has met the rows.
func (f *assessment) decide(answer ProbeResult, known, proved bool) {
	switch {
	case f.decides == "":
		return
	case f.query == "" && f.decides == FailsOnRows, f.query != "" && !known && f.decides == FailsOnRows:
		f.add(MayFailOnRows)
	case f.query == "" || !known:
		f.add(f.decides)
	case answer.Rows > 0:
		f.add(f.decides)
	}
	if known && f.query != "" {
		f.rows = &answer.Rows
		if answer.Rows > 0 {
			f.message += ", " + strings.ReplaceAll(f.against(), "%d", fmt.Sprint(answer.Rows))
		}
	}
	if proved && f.decides == FailsOnRows {
		f.hazards = slices.DeleteFunc(f.hazards, func(h Hazard) bool { return h == FailsOnRows || h == MayFailOnRows })
		f.message += "; the rehearsed migration met them all and worked"
	}
}

func (f *assessment) against() string {
	if f.decides == DeletesData {
		return "with the values of %d rows of the target"
	}
	return "and %d rows of the target stand against it"
}

// weigh derives objective and severity from the worst hazard.
func (f *assessment) weigh() {
	slices.SortFunc(f.hazards, func(a, b Hazard) int { return slices.Index(hazardOrder, a) - slices.Index(hazardOrder, b) })
	f.hazards = slices.Compact(f.hazards)
	f.objective, f.severity = "schema.old-code", Info
	if len(f.hazards) > 0 {
		switch f.hazards[0] {
		case DeletesData:
			f.objective, f.severity = "schema.data-kept", Fail
		case FailsOnRows:
			f.objective, f.severity = "schema.rows-fit", Fail
		case MayFailOnRows:
			f.objective, f.severity = "schema.rows-fit", Warn
		case BreaksOldCode:
			f.severity = Warn
		case RewritesTable, LocksTable, BuildsIndex:
			f.objective = "schema.locks"
			if f.big {
				f.severity = Warn
			}
		case ChangesBehavior:
		}
	}
	if f.warn && f.severity == Info {
		f.severity = Warn
	}
	if f.do == "" {
		f.do = f.advice()
	}
}

func (f *assessment) advice() string {
	if len(f.hazards) == 0 {
		return ""
	}
	switch f.hazards[0] {
	case DeletesData:
		return "keep it for one release more, or accept the finding by its ID where the data is meant to go"
	case FailsOnRows:
		return "correct those rows at the target, or in the migration before it; prove it with promote compare --rehearse"
	case MayFailOnRows:
		return "prove it on a copy: promote compare --rehearse"
	case BreaksOldCode:
		return "expand first and contract in a later release, so that a rollback of the application alone works"
	case RewritesTable, LocksTable:
		if f.big {
			return "expect the downtime, or split the migration"
		}
	case BuildsIndex:
		if f.big {
			return "build it with CREATE INDEX CONCURRENTLY"
		}
	}
	return ""
}

// assessor judges the differences of one database.
type assessor struct {
	from, to schemaSide
	loose    bool                          // servers of different major versions
	added    map[string][]*snapshot.Object // columns that are new, by table
	dropped  map[string][]*snapshot.Object // columns that go, by table
	shapes   map[string]string             // columns of a new table → its name
}

// assess judges every difference of the pair.
func (p catalogPair) assess() []*assessment {
	s := assessor{from: newSchemaSide(p.from), to: newSchemaSide(p.to), loose: p.from.Major != p.to.Major, added: map[string][]*snapshot.Object{}, dropped: map[string][]*snapshot.Object{}, shapes: map[string]string{}}
	all := changes(s.from, s.to)
	for _, c := range all {
		switch {
		case c.object().Kind == "table" && c.to == nil && s.from.shape[c.from.Name] != "":
			s.shapes[s.from.shape[c.from.Name]] = c.from.Name
		case c.object().Kind != "column":
		case c.to == nil:
			s.added[c.from.Table] = append(s.added[c.from.Table], c.from)
		case c.from == nil:
			s.dropped[c.to.Table] = append(s.dropped[c.to.Table], c.to)
		}
	}
	var out []*assessment
	roles := map[string]*assessment{}
	for _, c := range all {
		f := s.judge(c)
		if f == nil {
			continue
		}
		// One role that is called differently owns or reads everything: that is said once.
		if f.kind == "owner-changed" || f.kind == "grants-changed" {
			key := f.kind + "\x00" + f.from + "\x00" + f.to
			if first := roles[key]; first != nil {
				first.count(c)
				continue
			}
			roles[key] = f
		}
		out = append(out, f)
	}
	return out
}

// count adds an object to a finding that is about several.
func (f *assessment) count(difference) {
	n := 1
	if _, err := fmt.Sscanf(f.do, "the same of %d more", &n); err == nil {
		n++
	}
	f.do = fmt.Sprintf("the same of %d more", n)
}

// judge is the assessment of one difference.
func (s *assessor) judge(c difference) *assessment {
	o := c.object()
	f := &assessment{subject: o.Name, table: o.Table}
	if f.table == "" {
		f.table = o.Name
	}
	data := s.to.rows[f.table]
	f.big = data.Rows > bigRows || data.Bytes > bigBytes
	kind := strings.ReplaceAll(o.Kind, " ", "-")
	var keys []string
	switch {
	case c.renamed:
		f.kind, f.from, f.to = kind+"-renamed", c.from.Real, c.to.Real
		f.message = fmt.Sprintf("%s of %s has another name: %s, at the target %s", o.Kind, o.Table, c.from.Real, c.to.Real)
		return f
	case c.to == nil:
		f.kind, f.from = kind+"-added", describe(c.from)
		f.message = fmt.Sprintf("the target lacks %s %s", o.Kind, o.Name)
	case c.from == nil:
		f.kind, f.to = kind+"-dropped", describe(c.to)
		f.message = fmt.Sprintf("only the target has %s %s: the migration drops it", o.Kind, o.Name)
	default:
		keys = c.differing(s.loose)
		f.kind = kind + "-changed"
		f.from, f.to = c.sides(keys)
		f.message = fmt.Sprintf("%s %s differs in %s", o.Kind, o.Name, strings.ReplaceAll(strings.Join(keys, ", "), "_", " "))
		if only := onlyOne(keys); only != "" {
			f.kind = only + "-changed"
			f.message = fmt.Sprintf("the %s of %s %s differs", only, o.Kind, o.Name)
			if only == "grants" {
				grants(f, c)
			}
			return f
		}
	}
	switch o.Kind {
	case "table", "foreign table":
		s.table(f, c, keys)
	case "column":
		s.column(f, c, keys)
	case "constraint":
		s.constraint(f, c)
	case "index":
		s.index(f, c, keys)
	case "type":
		s.enum(f, c)
	case "domain":
		s.domain(f, c, keys)
	default:
		other(f, c, keys)
	}
	return f
}

// onlyOne names the one thing without weight in which two objects differ.
func onlyOne(keys []string) string {
	if len(keys) == 1 && (keys[0] == "comment" || keys[0] == "owner" || keys[0] == "grants") {
		return keys[0]
	}
	return ""
}

// grants judges who may do what: the target gives more than the source where something is taken away.
func grants(f *assessment, c difference) {
	has := func(o *snapshot.Object) map[string]bool {
		out := map[string]bool{}
		for _, line := range strings.Split(o.Attributes["grants"], "; ") {
			role, privileges, _ := strings.Cut(line, ": ")
			for _, p := range strings.Split(privileges, ", ") {
				out[role+" "+p] = true
			}
		}
		return out
	}
	from, to := has(c.from), has(c.to)
	f.add(ChangesBehavior)
	for g := range to {
		if strings.HasPrefix(g, "+") && !from[g] {
			f.warn = true
		}
	}
	for g := range from {
		if strings.HasPrefix(g, "-") && !to[g] {
			f.warn = true
		}
	}
	if f.warn {
		f.do = ""
	}
}

// other judges views, routines, triggers, rules, policies, sequences, extensions and what is rarer.
func other(f *assessment, c difference, keys []string) {
	o := c.object()
	switch o.Kind {
	case "view", "materialized view", "function", "procedure", "aggregate", "sequence", "extension", "schema":
		if c.from == nil {
			f.add(BreaksOldCode)
		} else if c.to != nil {
			f.add(ChangesBehavior)
		}
		if o.Kind == "extension" && c.to == nil {
			f.do = fmt.Sprintf("the target's server needs it: CREATE EXTENSION %s", o.Name)
		}
	case "policy":
		f.add(ChangesBehavior)
		f.warn = true
	case "trigger", "rule", "event trigger", "cast", "operator":
		f.add(ChangesBehavior)
	case "database":
		f.add(ChangesBehavior)
		f.warn = slices.ContainsFunc(keys, func(k string) bool {
			return k == "encoding" || k == "collate" || k == "ctype" || k == "provider" || k == "locale"
		})
		f.message = "the databases differ in " + strings.Join(keys, ", ") + ": no migration changes that"
	}
}
