package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/snapshot"
)

// ledger is the table in which a migration tool writes down what it applied: its name, the columns by which it is told
// from others of that name, and what its rows say. Each value is SQL over the table's alias t.
type ledger struct {
	tool     string
	table    string // without schema
	schema   string // where the tool has one of its own
	columns  string // all of them there, separated by blanks
	without  string // none of them there
	version  string
	checksum string
	failed   string
	at       string
	order    string
	only     string // rows that count
}

var ledgers = []ledger{
	{
		tool: "goose", table: "goose_db_version", columns: "id version_id is_applied tstamp", version: "t.version_id", at: "t.tstamp", order: "t.id",
		only: "t.version_id > 0 AND t.is_applied AND NOT EXISTS (SELECT 1 FROM %s l WHERE l.version_id = t.version_id AND l.id > t.id)",
	},
	{tool: "golang-migrate", table: "schema_migrations", columns: "version dirty", version: "t.version", failed: "t.dirty", order: "t.version"},
	{tool: "rails", table: "schema_migrations", columns: "version", without: "dirty", version: "t.version", order: "t.version"}, // dbmate and Ecto too
	{
		tool: "flyway", table: "flyway_schema_history", columns: "installed_rank version checksum success installed_on", version: "coalesce(t.version, t.script)", checksum: "t.checksum",
		failed: "NOT t.success", at: "t.installed_on", order: "t.installed_rank", only: "t.type NOT IN ('SCHEMA', 'BASELINE')",
	},
	{
		tool: "liquibase", table: "databasechangelog", columns: "id author filename md5sum orderexecuted dateexecuted", version: "t.filename || ' ' || t.author || ' ' || t.id", checksum: "t.md5sum",
		at: "t.dateexecuted", order: "t.orderexecuted",
	},
	{tool: "django", table: "django_migrations", columns: "id app name applied", version: "t.app || '.' || t.name", at: "t.applied", order: "t.id"},
	{tool: "alembic", table: "alembic_version", columns: "version_num", version: "t.version_num", order: "t.version_num"},
	{
		tool: "prisma", table: "_prisma_migrations", columns: "migration_name checksum finished_at rolled_back_at started_at", version: "t.migration_name", checksum: "t.checksum",
		failed: "t.finished_at IS NULL", at: "t.started_at", order: "t.started_at", only: "t.rolled_back_at IS NULL",
	},
	{tool: "knex", table: "knex_migrations", columns: "id name batch migration_time", version: "t.name", at: "t.migration_time", order: "t.id"},
	{tool: "typeorm", table: "migrations", columns: "id timestamp name", version: `t."timestamp" || ' ' || t.name`, order: "t.id"},
	{tool: "laravel", table: "migrations", columns: "id migration batch", version: "t.migration", order: "t.id"},
	{tool: "sqitch", table: "changes", schema: "sqitch", columns: "change_id script_hash change project committed_at", version: "t.project || ' ' || t.change", checksum: "t.script_hash", at: "t.committed_at", order: "t.committed_at"},
	{tool: "node-pg-migrate", table: "pgmigrations", columns: "id name run_on", version: "t.name", at: "t.run_on", order: "t.id"},
	{tool: "atlas", table: "atlas_schema_revisions", columns: "version hash applied total error executed_at", version: "t.version", checksum: "t.hash", failed: "coalesce(t.error, '') <> '' OR t.applied < t.total", at: "t.executed_at", order: "t.executed_at"},
	{tool: "ef", table: "__EFMigrationsHistory", columns: "MigrationId ProductVersion", version: `t."MigrationId"`, order: `t."MigrationId"`},
	{tool: "sequelize", table: "SequelizeMeta", columns: "name", version: "t.name", order: "t.name"},
	{tool: "drizzle", table: "__drizzle_migrations", columns: "id hash created_at", version: "t.created_at", checksum: "t.hash", order: "t.id"},
}

const maxApplied = 20_000 // rows of one migration table that are read, the newest

// of reports whether t is the tool's table.
func (l ledger) of(t *dataTable) bool {
	if t.name != l.table || l.schema != "" && t.schema != l.schema {
		return false
	}
	has := func(name string) bool {
		return slices.ContainsFunc(t.columns, func(c column) bool { return c.name == name })
	}
	return !slices.ContainsFunc(strings.Fields(l.columns), func(c string) bool { return !has(c) }) && !slices.ContainsFunc(strings.Fields(l.without), has)
}

func (l ledger) query(t *dataTable) string {
	null := func(expression, otherwise string) string {
		if expression == "" {
			return otherwise
		}
		return expression
	}
	from := t.from()
	only := null(l.only, "true")
	if strings.Contains(only, "%s") {
		only = fmt.Sprintf(only, from)
	}
	return fmt.Sprintf(`SELECT * FROM (SELECT row_number() OVER (ORDER BY %s) - 1 AS place, left((%s)::text, 300), left((%s)::text, 200), (%s)::text, (%s)::timestamp::text
		FROM %s t WHERE %s ORDER BY 1 DESC LIMIT %d) q ORDER BY place`, l.order, l.version, null(l.checksum, "''"), null(l.failed, "false"), null(l.at, "NULL"), from, only, maxApplied)
}

// migrations reads the tables of the migration tools that it knows. One that cannot be read is a migration with an error
// in the table's data, never an empty list.
func (d *dataReader) migrations(ctx context.Context, tables []snapshot.TableData) ([]snapshot.Migration, error) {
	var list []snapshot.Migration
	for _, t := range d.tables {
		i := slices.IndexFunc(ledgers, func(l ledger) bool { return l.of(t) })
		if i < 0 {
			continue
		}
		data := slices.IndexFunc(tables, func(data snapshot.TableData) bool { return data.Table == t.String() })
		tables[data].Tool = ledgers[i].tool
		if !t.readable {
			continue // its data says why
		}
		rows, why, err := d.ask(ctx, ledgers[i].query(t), d.options.Statement)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t, err)
		}
		if why != "" {
			tables[data].Error = why
			continue
		}
		for _, v := range rows {
			m := snapshot.Migration{Table: t.String(), Version: v.text(1), Checksum: v.text(2), Failed: v.text(3) == "true", Place: len(list)}
			if at, err := time.Parse("2006-01-02 15:04:05.999999", v.text(4)); err == nil {
				m.At = at
			}
			list = append(list, m)
		}
	}
	for i := range list {
		if i > 0 && list[i-1].Table == list[i].Table {
			list[i].Place = list[i-1].Place + 1
		} else {
			list[i].Place = 0
		}
	}
	return list, nil
}
