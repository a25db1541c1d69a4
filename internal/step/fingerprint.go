package step

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// Fingerprint is what a database holds, reduced to what can be compared: the definition of every object, and of every
// table the number of rows and a hash over them that does not depend on their order. Rows count as equal when their
// values are equal by the database's own hash, so numeric 1.0 equals 1.00.
type Fingerprint struct {
	Schema  string            `json:"schema"`  // hash over all objects
	Objects map[string]string `json:"objects"` // definition by kind and name
	Tables  map[string]Table  `json:"tables"`
}

// Table is the content of one table, sequence or the large objects.
type Table struct {
	Rows    int64  `json:"rows"`
	Hash    string `json:"hash"`
	Derived bool   `json:"derived,omitempty"` // of a materialized view, which a restored dump makes anew from its tables
	Missing string `json:"missing,omitempty"` // why it could not be read
}

// Compare proves that got equals want. A table that could be read neither then nor now, for the same reason, is named and
// makes no difference: a foreign table's rows are elsewhere.
func Compare(database string, want, got Fingerprint) []promotion.ProofItem {
	schema := promotion.ProofItem{Area: "schema", Name: database, Want: short(want.Schema), Got: short(got.Schema), Equal: want.Schema != "" && want.Schema == got.Schema}
	if !schema.Equal {
		schema.Reason = strings.Join(first(differences(want.Objects, got.Objects), 5), "; ")
	}
	rows := promotion.ProofItem{Area: "rows", Name: database, Want: want.summary(), Got: got.summary(), Equal: true}
	var reasons, unread []string
	for _, name := range slices.Sorted(maps.Keys(union(want.Tables, got.Tables))) {
		w, inWant := want.Tables[name]
		g, inGot := got.Tables[name]
		switch {
		case !inWant:
			reasons = append(reasons, name+": was not there")
		case !inGot:
			reasons = append(reasons, name+": is gone")
		case w.Missing != "" && w.Missing == g.Missing:
			unread = append(unread, name+": not compared: "+w.Missing)
		case w.Missing != "" || g.Missing != "":
			reasons = append(reasons, name+": could not be read: "+cmp.Or(w.Missing, g.Missing))
		case w.Rows != g.Rows:
			reasons = append(reasons, fmt.Sprintf("%s: %d rows, were %d", name, g.Rows, w.Rows))
		case w.Hash != g.Hash:
			reasons = append(reasons, fmt.Sprintf("%s: %d rows with other values", name, g.Rows))
		}
	}
	if want.Tables == nil || got.Tables == nil {
		reasons = append(reasons, "rows were not read")
	}
	if len(reasons) > 0 {
		rows.Equal = false
	}
	rows.Reason = strings.Join(first(append(reasons, unread...), 5), "; ")
	return []promotion.ProofItem{schema, rows}
}

// summary counts the tables and rows.
func (f Fingerprint) summary() string {
	var rows int64
	for _, t := range f.Tables {
		rows += t.Rows
	}
	return fmt.Sprintf("%d rows in %d tables, %s", rows, len(f.Tables), f.hash())
}

func (f Fingerprint) hash() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.Tables)) {
		fmt.Fprintf(&b, "%q %d %s\n", name, f.Tables[name].Rows, f.Tables[name].Hash)
	}
	return digest(b.String())
}

func differences(want, got map[string]string) []string {
	var d []string
	for _, name := range slices.Sorted(maps.Keys(union(want, got))) {
		w, inWant := want[name]
		g, inGot := got[name]
		switch {
		case !inWant:
			d = append(d, name+" was not there")
		case !inGot:
			d = append(d, name+" is gone")
		case w != g:
			d = append(d, name+" differs")
		}
	}
	return d
}

func union[V any](a, b map[string]V) map[string]bool {
	u := map[string]bool{}
	for k := range a {
		u[k] = true
	}
	for k := range b {
		u[k] = true
	}
	return u
}

func first(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n]), fmt.Sprintf("and %d more", len(list)-n))
}
