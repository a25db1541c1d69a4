package postgres

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// Collations and names that are as long as PostgreSQL allows, through clone, swap, dump and restore.
func TestCollationsAndLongNames(t *testing.T) {
	s := open(t)
	c := clientOf(t, "postgres")
	icu := ""
	if s.Major() >= 15 {
		icu = "LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE'"
	}
	if s.Major() >= 16 {
		icu += " ICU_RULES '&z < å'"
	}
	builtin := "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
	if s.Major() >= 17 {
		builtin = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE 'C' LC_CTYPE 'C'"
	}
	for i, test := range []struct{ name, options string }{
		{strings.Repeat("ø", 31) + "x", "LC_COLLATE 'C' LC_CTYPE 'C'"},
		{strings.Repeat("数", 21), icu},
		{`"; DROP DATABASE postgres; --`, builtin},
		{"promote", "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"},
		{" ", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"},
	} {
		t.Run(test.name, func(t *testing.T) {
			makeDatabase(t, test.name, test.options, "CREATE TABLE "+ident(test.name)+" (w text); INSERT INTO "+ident(test.name)+" VALUES ('z'), ('a'), ('B')")
			id := fmt.Sprintf("20260304-050607-%d", i)
			schema, err := s.SchemaFingerprint(t.Context(), test.name)
			if err != nil {
				t.Fatal(err)
			}
			rows, err := s.RowFingerprints(t.Context(), test.name, RowOptions{Exact: true})
			if err != nil {
				t.Fatal(err)
			}
			same := func(what string) {
				t.Helper()
				gotSchema, err := s.SchemaFingerprint(t.Context(), test.name)
				if err != nil || gotSchema.Hash != schema.Hash {
					t.Fatalf("%s: %q, %v", what, DiffSchema(schema, gotSchema), err)
				}
				got, err := s.RowFingerprints(t.Context(), test.name, RowOptions{Exact: true})
				if err != nil || got.Hash != rows.Hash {
					t.Fatalf("%s: %q, %v", what, DiffRows(rows, got), err)
				}
			}
			var dump bytes.Buffer
			info, err := s.Dump(t.Context(), c, test.name, &dump, DumpOptions{Rows: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Probe(t.Context(), test.name); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Quiesce(t.Context(), test.name, QuiesceOptions{}); err != nil {
				t.Fatal(err)
			}
			clone, restored := CopyName(test.name, "clone", id), CopyName(test.name, "load", id)
			if _, err := s.Clone(t.Context(), test.name, clone, CloneOptions{ID: id}); err != nil {
				t.Fatal(err)
			}
			if err := s.Reopen(t.Context(), test.name); err != nil {
				t.Fatal(err)
			}
			run(t, test.name, "DROP TABLE "+ident(test.name))
			if err := s.Swap(t.Context(), test.name, CopyName(test.name, "failed", id), clone); err != nil {
				t.Fatal(err)
			}
			same("clone")
			if _, err := s.Restore(t.Context(), c, &dump, restored, RestoreOptions{Info: info, ID: id, Jobs: 2}); err != nil {
				t.Fatal(err)
			}
			if err := s.Swap(t.Context(), test.name, CopyName(test.name, "replaced", id), restored); err != nil {
				t.Fatal(err)
			}
			same("restore")
		})
	}
}
