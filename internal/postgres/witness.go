package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/rehearsal"
)

// Witness remembers a copy of a database as it was before a migration.
type Witness struct {
	server     *Server
	db         string
	statements []string
	schema     Schema
	content    Content
	activity   map[string]Activity
	refused    map[string]string
}

// Witness looks at db, which nobody writes to. The statements are what the old release is known to send.
func (s *Server) Witness(ctx context.Context, db string, statements []string) (*Witness, error) {
	w := &Witness{server: s, db: db, statements: statements}
	var err error
	if w.schema, err = s.SchemaFingerprint(ctx, db); err != nil {
		return nil, err
	}
	if w.content, err = s.Content(ctx, db, nil); err != nil {
		return nil, err
	}
	if w.refused, err = s.Refused(ctx, db, statements); err != nil {
		return nil, err
	}
	if w.activity, err = s.Activity(ctx, db); err != nil {
		return nil, err
	}
	return w, nil
}

// Definition identifies the objects of a schema without the properties of the database itself, which a copy may have others of.
func Definition(objects map[string]string) string {
	own := maps.Clone(objects)
	delete(own, "database")
	return newSchema(own).Hash
}

// After looks again, and says what has become of the database.
func (w *Witness) After(ctx context.Context) (rehearsal.Database, error) {
	out := rehearsal.Database{Name: w.db, Before: w.schema.Objects}
	activity, err := w.server.Activity(ctx, w.db) // before anything else is read, while the program's sessions are over
	if err != nil {
		return out, err
	}
	schema, err := w.server.SchemaFingerprint(ctx, w.db)
	if err != nil {
		return out, err
	}
	out.After = schema.Objects
	now, err := w.server.Content(ctx, w.db, &w.content)
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(w.content.Tables)) {
		before, after := w.content.Tables[name], now.Tables[name]
		was, is := w.activity[name], activity[name]
		out.Tables = append(out.Tables, rehearsal.Table{
			Name: name, Before: before.Rows, After: after.Rows, Same: before.Hash == after.Hash && before.Rows == after.Rows, Unread: after.Missing, Ledger: keepsBooks(name, before.Columns),
			Inserted: is.Inserted - was.Inserted, Updated: is.Updated - was.Updated, Deleted: is.Deleted - was.Deleted,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(w.content.Sequences)) {
		if value, there := now.Sequences[name]; !there || value < w.content.Sequences[name] {
			out.Rewound = append(out.Rewound, name)
		}
	}
	refused, err := w.server.Refused(ctx, w.db, w.statements)
	if err != nil {
		return out, err
	}
	out.Broken = NewlyRefused(w.refused, refused)
	return out, nil
}

// keepsBooks reports whether a table is where a program that migrates notes what it has done.
func keepsBooks(table string, columns map[string]string) bool {
	_, name, _ := strings.Cut(table, ".")
	name = strings.Trim(name, `"`)
	switch name {
	case "ar_internal_metadata", "databasechangeloglock", "knex_migrations_lock", "typeorm_metadata":
		return true
	}
	return slices.ContainsFunc(ledgers, func(l ledger) bool {
		return l.table == name && !slices.ContainsFunc(strings.Fields(l.columns), func(column string) bool { return columns[column] == "" && columns[`"`+column+`"`] == "" })
	})
}
