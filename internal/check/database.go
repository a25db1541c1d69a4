package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

const (
	longTransaction = 5 * time.Minute
	longIdle        = time.Minute
)

// databaseTests ask whether every database can be used, and what will soon keep it from being usable.
func databaseTests(s Subject) []Test {
	var tests []Test
	for _, db := range s.Databases {
		server, _ := s.service(db.Service)
		add := func(name string, critical bool, run func(context.Context) promotion.Check) {
			tests = append(tests, Test{
				Name: db.Name + " " + name, Service: db.Service, Critical: critical || server.Critical, Timeout: server.Timeout, Run: run,
			})
		}
		add("connects", true, db.connects)
		for _, q := range databaseQuestions() {
			add(q.name, false, func(ctx context.Context) promotion.Check { return db.ask(ctx, q) })
		}
		add("through the application", false, func(ctx context.Context) promotion.Check { return s.through(ctx, db) })
	}
	if len(tests) == 0 {
		tests = append(tests, Test{Name: "databases", Run: func(context.Context) promotion.Check {
			return skipped("the environment has no database that is known")
		}})
	}
	return tests
}

// connects opens a connection and names what answered.
func (db Database) connects(ctx context.Context) promotion.Check {
	if db.Reader == nil {
		return unknown("there is no connection to ask: %s", db.problem())
	}
	if err := db.Reader.Ping(ctx); err != nil {
		return failed("can't connect: %s", line(plain(err).Error(), tailWidth))
	}
	rows, err := db.Reader.Query(ctx, `SELECT current_setting('server_version'), current_database(), current_user::text`)
	if err != nil || len(rows) != 1 || len(rows[0]) != 3 {
		return failed("connects, but can't be queried: %s", reason(err))
	}
	return passed("PostgreSQL %s, database %s as %s", rows[0][0], rows[0][1], rows[0][2])
}

func (db Database) problem() string {
	if db.Problem != "" {
		return line(db.Problem, tailWidth)
	}
	return "no reader was given"
}

// ask puts one question. Where there is no connection at all it is skipped: that one check says so once.
func (db Database) ask(ctx context.Context, q question) promotion.Check {
	if db.Reader == nil {
		return skipped("no connection to the database")
	}
	rows, err := db.Reader.Query(ctx, q.sql)
	switch {
	case err == nil:
		return q.judge(rows)
	case ctx.Err() == nil && db.Reader.Ping(ctx) != nil:
		return skipped("no connection to the database")
	default:
		return unknown("could not ask: %s", line(plain(err).Error(), tailWidth))
	}
}

func reason(err error) string {
	if err == nil {
		return "unexpected answer"
	}
	return line(plain(err).Error(), tailWidth)
}

// through asks the services that depend on the database's server: it may be well and yet out of their reach.
func (s Subject) through(ctx context.Context, db Database) promotion.Check {
	if db.Service == "" {
		return skipped("the database is no service of the stack, so nothing says which services use it")
	}
	var answers []promotion.Check
	var names []string
	for _, svc := range s.Services {
		if svc.OneShot || svc.Health.Path == "" || !slices.Contains(svc.DependsOn, db.Service) {
			continue
		}
		c := s.replicas(ctx, svc, svc.Health.Port, svc.Health.Path, svc.Health.Status, nil)
		if c.Status != promotion.Pass {
			c.Message = fmt.Sprintf("through %s: %s", svc.Name, c.Message)
		}
		answers, names = append(answers, c), append(names, svc.Name+svc.Health.Path)
	}
	if len(answers) == 0 {
		return hinted(skipped("no service with an HTTP health endpoint depends on %s", db.Service),
			"add `health: {http: /…}` to a service that uses it and asks it there")
	}
	worst := slices.MaxFunc(answers, func(a, b promotion.Check) int { return badness(a.Status) - badness(b.Status) })
	if worst.Status != promotion.Pass {
		return worst
	}
	return passed("as far as these ask it: %s", strings.Join(names, ", "))
}

// question is one query about a database's state and how its rows are judged.
type question struct {
	name  string
	sql   string
	judge func(rows [][]string) promotion.Check
}

func databaseQuestions() []question {
	return []question{
		{"takes writes", `SELECT pg_is_in_recovery()::text`, judgeRecovery},
		{"sessions", sqlSessions, judgeSessions},
		{"indexes", sqlIndexes, judgeIndexes},
		{"constraints", sqlConstraints, judgeConstraints},
		{"long transactions", fmt.Sprintf(sqlTransactions, int(longTransaction.Seconds())), judgeTransactions},
		{"idle in transaction", fmt.Sprintf(sqlIdle, int(longIdle.Seconds())), judgeIdle},
		{"transaction ids", sqlAges, judgeAges},
		{"extensions", sqlExtensions, judgeExtensions},
	}
}

func judgeRecovery(rows [][]string) promotion.Check {
	if len(rows) != 1 {
		return unknown("unexpected answer")
	}
	if rows[0][0] != "false" {
		return hinted(failed("the server is in recovery: a standby, or not done with a crash"), "name the primary in the configuration")
	}
	return passed("not in recovery")
}

// One row: sessions of the server, its limit, sessions of the database, its limit (-1: none). Counters of
// pg_stat_database are readable without privileges, unlike the rows of pg_stat_activity.
const sqlSessions = `
SELECT (SELECT coalesce(sum(numbackends), 0)::text FROM pg_stat_database WHERE datid <> 0),
       current_setting('max_connections'),
       (SELECT numbackends::text FROM pg_stat_database WHERE datname = current_database()),
       datconnlimit::text
FROM pg_database WHERE datname = current_database()`

func judgeSessions(rows [][]string) promotion.Check {
	n, err := numbers(rows, 4)
	if err != nil {
		return unknown("%v", err)
	}
	used, limit, what := n[0], n[1], "of max_connections"
	if n[3] > 0 && n[2]*n[1] > n[0]*n[3] { // the database's own limit is nearer
		used, limit, what = n[2], n[3], "of the database's connection limit"
	}
	c := passed("%d sessions, %d %% %s %d", used, 100*used/limit, what, limit)
	if used*10 >= limit*9 {
		c.Status = promotion.Fail
		c.Hint = "end sessions that nothing needs, or raise the limit"
	}
	return c
}

// An index that is being built right now is not left over.
const sqlIndexes = `
SELECT format('%I.%I on %I', n.nspname, c.relname, t.relname)
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready)
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
ORDER BY 1`

func judgeIndexes(rows [][]string) promotion.Check {
	if len(rows) == 0 {
		return passed("all valid")
	}
	return hinted(listed(warned("%s not valid: %s", plural(len(rows), "index is", "indexes are"), first(rows)), rows),
		"rebuild with `REINDEX INDEX CONCURRENTLY …`, or drop what a failed build left")
}

const sqlConstraints = `
SELECT format('%I on %s', conname, CASE WHEN conrelid <> 0 THEN conrelid::regclass::text ELSE contypid::regtype::text END)
FROM pg_constraint WHERE NOT convalidated ORDER BY 1`

func judgeConstraints(rows [][]string) promotion.Check {
	if len(rows) == 0 {
		return passed("all validated")
	}
	return hinted(listed(warned("%s not validated: %s", plural(len(rows), "constraint is", "constraints are"), first(rows)), rows),
		"check the rows that were there before with `ALTER TABLE … VALIDATE CONSTRAINT …`")
}

// The first row counts the sessions that the user may not look into; the others are findings. No query is shown: it can
// hold data.
const (
	sqlTransactions = sqlHidden + `
SELECT format('pid %%s, %%s %%s, open for %%s', pid, usename, application_name, date_trunc('second', clock_timestamp() - xact_start))
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
  AND clock_timestamp() - xact_start > %d * interval '1 second')`

	sqlIdle = sqlHidden + `
SELECT format('pid %%s, %%s %%s, idle for %%s', pid, usename, application_name, date_trunc('second', clock_timestamp() - state_change))
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%%'
  AND clock_timestamp() - state_change > %d * interval '1 second')`

	sqlHidden = `
SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND query = '<insufficient privilege>'
UNION ALL (`
)

func judgeTransactions(rows [][]string) promotion.Check {
	return judgeActivity(rows, fmt.Sprintf("open for more than %d min", int(longTransaction.Minutes())),
		"it keeps vacuum and schema changes waiting: end it, or wait for it, before a promotion")
}

func judgeIdle(rows [][]string) promotion.Check {
	return judgeActivity(rows, fmt.Sprintf("idle for more than %d min", int(longIdle.Minutes())),
		"the application forgot to end it: find out who, or set idle_in_transaction_session_timeout")
}

func judgeActivity(rows [][]string, what, hint string) promotion.Check {
	if len(rows) == 0 {
		return unknown("unexpected answer")
	}
	hidden := rows[0][0]
	switch rows = rows[1:]; {
	case len(rows) > 0:
		return hinted(listed(warned("%s %s: %s", plural(len(rows), "transaction is", "transactions are"), what, first(rows)), rows), "%s", hint)
	case hidden != "0":
		return hinted(skipped("the user may not look into sessions of others (%s now)", hidden), "GRANT pg_read_all_stats to it")
	default:
		return passed("none %s", what)
	}
}

// One row: age of the oldest transaction id and multixact id, and the age at which autovacuum steps in by force.
const sqlAges = `
SELECT age(datfrozenxid)::text, mxid_age(datminmxid)::text,
       current_setting('autovacuum_freeze_max_age'), current_setting('autovacuum_multixact_freeze_max_age')
FROM pg_database WHERE datname = current_database()`

func judgeAges(rows [][]string) promotion.Check {
	n, err := numbers(rows, 4)
	if err != nil {
		return unknown("%v", err)
	}
	// Autovacuum needs some time once it steps in; half as much again means that it does not get there.
	for i, what := range []string{"transaction id", "multixact id"} {
		if age, forced := n[i], n[i+2]; age > forced+forced/2 {
			return hinted(warned("oldest %s is %d old, vacuum is forced at %d: freezing does not keep up", what, age, forced),
				"run `VACUUM (FREEZE)`; at 2 billion the server stops taking writes")
		}
	}
	return passed("oldest transaction id is %d old, vacuum is forced at %d", n[0], n[2])
}

const sqlExtensions = `
SELECT e.extname, e.extversion, coalesce(a.default_version, '')
FROM pg_extension e LEFT JOIN pg_available_extensions a ON a.name = e.extname ORDER BY 1`

func judgeExtensions(rows [][]string) promotion.Check {
	var missing, older []string
	for _, r := range rows {
		switch name, installed, offered := r[0], r[1], r[2]; offered {
		case "":
			missing = append(missing, name)
		case installed:
		default:
			older = append(older, fmt.Sprintf("%s %s, the server offers %s", name, installed, offered))
		}
	}
	switch {
	case len(missing) > 0:
		return hinted(failed("installed in the database but not on the server: %s", strings.Join(missing, ", ")),
			"use an image of PostgreSQL that has the extension")
	case len(older) > 0:
		return hinted(warned("not at the server's version: %s", strings.Join(older, "; ")), "ALTER EXTENSION … UPDATE")
	default:
		return passed("%d, all available on the server", len(rows))
	}
}

// numbers are the integers of the only row.
func numbers(rows [][]string, n int) ([]int64, error) {
	if len(rows) != 1 || len(rows[0]) != n {
		return nil, fmt.Errorf("unexpected answer of %d rows", len(rows))
	}
	values := make([]int64, n)
	for i, text := range rows[0] {
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("unexpected answer %q", line(text, 40))
		}
		values[i] = v
	}
	return values, nil
}

// listed adds the first column of the rows as lines.
func listed(c promotion.Check, rows [][]string) promotion.Check {
	for i, r := range rows {
		if i == tailLines {
			c.Detail = append(c.Detail, fmt.Sprintf("(%d more)", len(rows)-i))
			break
		}
		c.Detail = append(c.Detail, line(r[0], tailWidth))
	}
	return c
}

func first(rows [][]string) string { return line(rows[0][0], tailWidth) }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
