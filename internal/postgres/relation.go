package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// relation is a table, materialized view or foreign table whose rows are to be read.
type relation struct {
	oid       uint32
	schema    string
	name      string
	kind      string // r, p, m, f
	leaf      bool   // a partition
	populated bool
	readable  bool
	pages     int64 // as they are on the disk, whether analyzed or not
	columns   []column
	key       []string // of the primary key, in its order
}

// String is the qualified name, quoted where SQL needs it.
func (r relation) String() string { return quoteIfNeeded(r.schema) + "." + quoteIfNeeded(r.name) }

// from is what stands after FROM. An inheritance parent is read without its children, which are relations themselves.
func (r relation) from() string {
	if r.kind == "r" {
		return "ONLY " + ident(r.schema, r.name)
	}
	return ident(r.schema, r.name)
}

type column struct {
	name   string
	typ    string // as format_type shows it
	hashed bool   // its type has a hash function that says different for whatever reads differently
	text   bool   // a text type under a collation that calls different strings equal
}

// hashedTypes have an extended hash function in every supported version. Of numeric, float and jsonb it is a hash of the
// value: 1.0 and 1.00 are the same. That of an enumeration is of its labels' numbers, which a restored dump has others of.
const hashedTypes = `'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'varchar', 'bpchar', 'bytea', 'uuid', 'date', 'time', 'timetz',
	'timestamp', 'timestamptz', 'interval', 'inet', 'cidr', 'macaddr', 'macaddr8', 'jsonb', 'oid', 'name', 'char'`

// readRelations lists the relations of the kinds, biggest first.
func readRelations(ctx context.Context, conn *pgx.Conn, kinds string) ([]*relation, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relispartition, c.relispopulated, has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
			coalesce(pg_relation_size(c.oid) / current_setting('block_size')::int, 0) AS pages
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind::text = ANY (string_to_array($1, ',')) AND c.relpersistence <> 't' AND `+userSchema+` ORDER BY pages DESC, n.nspname, c.relname`, kinds)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*relation, error) {
		r := &relation{}
		return r, row.Scan(&r.oid, &r.schema, &r.name, &r.kind, &r.leaf, &r.populated, &r.readable, &r.pages)
	})
	if err != nil {
		return nil, err
	}
	byOID := map[uint32]*relation{}
	oids := make([]uint32, 0, len(list))
	for _, r := range list {
		byOID[r.oid] = r
		oids = append(oids, r.oid)
	}
	rows, err = conn.Query(ctx, `SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod),
			b.typnamespace = 'pg_catalog'::regnamespace AND b.typname IN (`+hashedTypes+`) AND t.typtype IN ('b', 'd'),
			NOT coalesce(l.collisdeterministic, true)
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
			LEFT JOIN pg_collation l ON l.oid = a.attcollation
		WHERE a.attrelid = ANY ($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`, oids)
	if err != nil {
		return nil, err
	}
	var oid uint32
	var c column
	if _, err := pgx.ForEachRow(rows, []any{&oid, &c.name, &c.typ, &c.hashed, &c.text}, func() error {
		byOID[oid].columns = append(byOID[oid].columns, c)
		return nil
	}); err != nil {
		return nil, err
	}
	rows, err = conn.Query(ctx, `SELECT i.indrelid, a.attname FROM pg_index i CROSS JOIN unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(num, place)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE i.indisprimary AND i.indrelid = ANY ($1) ORDER BY i.indrelid, k.place`, oids)
	if err != nil {
		return nil, err
	}
	var name string
	_, err = pgx.ForEachRow(rows, []any{&oid, &name}, func() error {
		byOID[oid].key = append(byOID[oid].key, name)
		return nil
	})
	return list, err
}

// asText names the columns whose text is hashed in place of the value.
func asText(columns []column) []string {
	var names []string
	for _, c := range columns {
		if !c.hashed || c.text {
			names = append(names, c.name)
		}
	}
	return names
}

// hashExpr is SQL for a 64-bit hash over columns of alias t. With exact every column goes in as its text.
func hashExpr(columns []column, exact bool, major int) string {
	parts := make([]string, 0, len(columns))
	for _, c := range columns {
		part := "t." + ident(c.name)
		switch {
		case c.text:
			part += `::text COLLATE "C"`
		case exact || !c.hashed:
			part += "::text"
		}
		parts = append(parts, part)
	}
	row := "ROW(" + strings.Join(parts, ", ") + ")"
	if major < 14 || len(parts) == 0 {
		return "hashtextextended(" + row + "::text, 0)"
	}
	return "hash_record_extended(" + row + ", 0)"
}

// method says how rows were hashed.
func method(columns []column, exact bool, major int) string {
	texts := asText(columns)
	switch {
	case exact || major < 14:
		return "text of the row"
	case len(texts) == 0:
		return "hash of the row"
	case len(texts) <= 5:
		return "hash of the row; by text: " + strings.Join(texts, ", ")
	}
	return fmt.Sprintf("hash of the row; by text: %s and %d more", strings.Join(texts[:5], ", "), len(texts)-5)
}

// quoteIfNeeded quotes a name unless it is made of lower-case letters, digits and underscores.
func quoteIfNeeded(name string) string {
	simple := name != "" && !slices.ContainsFunc([]byte(name), func(c byte) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	})
	if simple && (name[0] < '0' || name[0] > '9') {
		return name
	}
	return ident(name)
}
