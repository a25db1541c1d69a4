package corpus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.StopPostgres()
	os.Exit(code)
}

// The databases: base.sql of the area, and those of the case at hand.
const (
	template = "corpus_base"
	fromName = "corpus_from"
	toName   = "corpus_to"
)

// lab is a server with the databases of one case.
type lab struct {
	t      *testing.T
	kit    *testkit.Server
	server *postgres.Server
}

func newLab(t *testing.T) *lab {
	t.Helper()
	kit := testkit.Postgres(t)
	server, err := postgres.Open(t.Context(), postgres.Conn{Host: kit.Host(), Port: kit.Port, User: kit.User, TLSMode: "disable"})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, kit: kit, server: server}
	base, err := os.ReadFile(filepath.Join(root, string(compare.Schema), "base.sql"))
	if err != nil {
		t.Fatal(err)
	}
	l.database(template, "template1", string(base))
	t.Cleanup(func() {
		for _, name := range []string{fromName, toName, template} {
			l.run("template1", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		}
	})
	return l
}

func (l *lab) run(db, sql string) {
	l.t.Helper()
	ctx := context.WithoutCancel(l.t.Context())
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", l.kit.Host(), l.kit.Port, l.kit.User, db))
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		l.t.Fatalf("%s: %v\n%s", db, err, sql)
	}
}

// database makes one anew, as a copy of another with a script applied.
func (l *lab) database(name, of, sql string) {
	l.t.Helper()
	l.run("template1", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	l.run("template1", "CREATE DATABASE "+name+" TEMPLATE "+of)
	if sql != "" {
		l.run(name, sql)
	}
}

// side reads a database as the agent does, under the name that both environments have for it.
func (l *lab) side(db string, rules compare.Rules) snapshot.Catalog {
	l.t.Helper()
	c, err := l.server.Catalog(l.t.Context(), db, postgres.CatalogOptions{Rows: 30 * time.Second, Reference: rules.Reference})
	if err != nil {
		l.t.Fatal(err)
	}
	c.Server, c.Database = "db", "shop"
	return c
}

// fill gives an input the databases of a case, and asks the target's rows.
func (l *lab) fill(in *compare.Input, from, to string) {
	l.t.Helper()
	in.From.Details.Catalogs = []snapshot.Catalog{l.side(from, in.Rules)}
	in.To.Details.Catalogs = []snapshot.Catalog{l.side(to, in.Rules)}
	for _, p := range compare.Probes(in.From, in.To, in.Rules) {
		rows, err := l.server.Count(l.t.Context(), to, p.Query, 10*time.Second)
		answer := compare.ProbeResult{ID: p.ID, Rows: rows}
		if err != nil {
			answer.Error = err.Error()
		}
		in.Probes = append(in.Probes, answer)
	}
}

// databases makes those of a case and says what they are called. A target that the case says nothing of is the base.
func (l *lab) databases(c seeded) (from, to string) {
	l.t.Helper()
	base := template
	if c.Scratch {
		base = "template1"
	}
	fromSQL, _ := c.sql(l.t, "from.sql")
	toSQL, isTo := c.sql(l.t, "to.sql")
	l.database(fromName, base, fromSQL)
	if !isTo && !c.Scratch {
		return fromName, template
	}
	l.database(toName, base, toSQL)
	return fromName, toName
}

// restored makes a database of another's dump: the same by another route.
func (l *lab) restored(name, of string) {
	l.t.Helper()
	at := []string{"-h", l.kit.Host(), "-p", strconv.Itoa(l.kit.Port), "-U", l.kit.User}
	dump := filepath.Join(l.kit.Dir, name+".dump")
	defer func() { _ = os.Remove(dump) }()
	l.database(name, "template0", "")
	for _, c := range []process.Command{
		{Path: filepath.Join(l.kit.Bin, "pg_dump"), Args: append([]string{"-Fc", "-Z0", "-f", dump, "-d", of}, at...)},
		{Path: filepath.Join(l.kit.Bin, "pg_restore"), Args: append([]string{"--exit-on-error", "-d", name, dump}, at...)},
	} {
		if out, err := process.Output(l.t.Context(), c); err != nil {
			l.t.Fatalf("%v: %s", err, out)
		}
	}
}
