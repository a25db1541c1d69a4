package agent

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
	"github.com/org/promote-action/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.StopPostgres()
	os.Exit(code)
}

// rightsCase is a server whose administrator gave promote's user less, or more, than it needs.
type rightsCase struct {
	name    string
	setup   []string // as the superuser; $D is the database, $U promote's user, $A the application's role, which owns both the database and its table
	inside  []string // the same, in the database
	part    bool     // of every run of the tests; the rest is a script's
	as      string   // promote's user, when it is not $U
	refused string   // in what preflight says; empty: it passes at once
	admin   string   // who runs the statement of the refusal; empty: the superuser
	own     bool     // the container's own user is the superuser
}

func rightsCases() []rightsCase {
	const all = "CREATE ROLE $U LOGIN CREATEDB; GRANT pg_signal_backend TO $U"
	return []rightsCase{
		{name: "superuser", as: "postgres", inside: []string{"CREATE MATERIALIZED VIEW stale AS SELECT a FROM t", "INSERT INTO t VALUES (7)"}},
		{name: "all that is needed", setup: []string{all, "GRANT $A TO $U"}},
		{name: "no CREATEDB", part: true, setup: []string{"CREATE ROLE $U LOGIN", "GRANT pg_signal_backend, $A TO $U"}, refused: "create databases"},
		{name: "no pg_signal_backend", part: true, setup: []string{"CREATE ROLE $U LOGIN CREATEDB", "GRANT $A TO $U", "CREATE ROLE $U_other LOGIN"}, refused: "end the sessions of other roles"},
		{name: "only the owner, and nobody else", setup: []string{"ALTER ROLE $A CREATEDB", "REVOKE CONNECT ON DATABASE $D FROM PUBLIC"}, as: "$A"},
		{name: "not the owner", setup: []string{all}, refused: "own database"},
		{name: "nothing", setup: []string{"CREATE ROLE $U LOGIN"}, refused: "create databases, nor own database"},
		{name: "no inheritance", setup: []string{all, "GRANT $A TO $U", "ALTER ROLE $U NOINHERIT", "REVOKE $A FROM $U", "GRANT $A TO $U"}, refused: "own database"},
		// As Amazon RDS and its like: an administrator that is no superuser, which made the application's role.
		{
			name: "managed", part: true, as: "$U", admin: "$U", refused: "own database",
			setup: []string{"CREATE ROLE $U LOGIN CREATEDB CREATEROLE", "GRANT pg_signal_backend TO $U WITH ADMIN OPTION", "GRANT $A TO $U WITH ADMIN OPTION", "REVOKE INHERIT OPTION FOR $A FROM $U"},
		},
		{name: "few connections of the role", setup: []string{all, "GRANT $A TO $U", "ALTER ROLE $U CONNECTION LIMIT 1"}, refused: "sessions at a time (its limit is 1)"},
		{name: "few connections of the database", setup: []string{all, "GRANT $A TO $U", "ALTER DATABASE $D CONNECTION LIMIT 1"}, refused: "sessions in database"},
		{
			name: "a table of somebody else", setup: []string{all, "GRANT $A TO $U", "CREATE ROLE $U_other"}, refused: "read app.secret",
			inside: []string{"CREATE SCHEMA app", "CREATE TABLE app.secret AS SELECT 7 AS a", "ALTER TABLE app.secret OWNER TO $U_other"},
		},
		{
			name: "row-level security", setup: []string{all, "GRANT $A TO $U"}, refused: "row-level security",
			inside: []string{"ALTER TABLE t ENABLE ROW LEVEL SECURITY", "ALTER TABLE t FORCE ROW LEVEL SECURITY"},
		},
		{
			name: "large objects of somebody else", setup: []string{all, "GRANT $A TO $U", "CREATE ROLE $U_other"}, refused: "large objects of $U_other",
			inside: []string{"SELECT lo_from_bytea(4711, 'x')", "ALTER LARGE OBJECT 4711 OWNER TO $U_other"},
		},
		{name: "the container's own user", part: true, setup: []string{"CREATE ROLE $U LOGIN"}, own: true},
		{ // last: it is the whole server's
			name: "no second database", part: true, refused: "a database to work from",
			setup: []string{all, "GRANT $A TO $U", "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC", "REVOKE CONNECT ON DATABASE template1 FROM PUBLIC"},
		},
	}
}

// Either preflight proves how a rollback goes, and it goes, or it names the statement after which it does.
func TestRightsDecideTheWayBack(t *testing.T) {
	kit := testkit.NewPostgres(t)
	for i, c := range rightsCases() {
		t.Run(c.name, func(t *testing.T) {
			if !c.part && os.Getenv(testkit.MajorVariable) == "" {
				t.Skip(".github/bench/postgres.sh runs all of them")
			}
			r := newRightsServer(t, kit, i, c)
			refusal, statement := r.preflight(t)
			if c.refused == "" && refusal != "" || c.refused != "" && !strings.Contains(refusal, r.fill(c.refused)) {
				t.Fatalf("refused with %q; %q", refusal, statement)
			}
			if c.refused != "" {
				if statement == "" {
					t.Fatalf("no statement besides %q", refusal)
				}
				t.Logf("%s: %s", refusal, statement)
				admin := r.fill(c.admin)
				if admin == "" {
					admin = "postgres"
				}
				r.exec(t, admin, "postgres", statement)
				if refusal, again := r.preflight(t); refusal != "" {
					t.Fatalf("after %s: %s; %s", statement, refusal, again)
				}
			}
			for _, way := range []step.Way{step.Clone, step.Load} {
				if way == step.Clone || c.as == "postgres" || c.name == "only the owner, and nobody else" {
					r.rollback(t, way)
				}
			}
		})
	}
}

// rightsServer is one database of the server, and promote's user.
type rightsServer struct {
	kit   *testkit.Server
	user  string
	app   string
	name  string
	found databaseServer
	dir   string
}

func newRightsServer(t *testing.T, kit *testkit.Server, i int, c rightsCase) *rightsServer {
	t.Helper()
	r := &rightsServer{kit: kit, user: fmt.Sprintf("u%d", i), app: fmt.Sprintf("app%d", i), name: fmt.Sprintf("shop%d", i), dir: t.TempDir()}
	r.exec(t, "postgres", "postgres", "CREATE ROLE $A LOGIN")
	r.exec(t, "postgres", "postgres", "CREATE DATABASE $D OWNER $A")
	r.exec(t, r.app, r.name, "CREATE SCHEMA mine; CREATE TABLE mine.orders AS SELECT i FROM generate_series(1, 100) i; CREATE SEQUENCE mine.numbers")
	r.exec(t, "postgres", r.name, "CREATE TABLE t (a int); INSERT INTO t VALUES (1); ALTER TABLE t OWNER TO $A")
	for _, sql := range c.setup {
		if strings.HasPrefix(sql, "REVOKE INHERIT OPTION") && r.major(t) < 16 { // there an option of the role, not of the membership
			sql = "ALTER ROLE $U NOINHERIT"
		}
		r.exec(t, "postgres", "postgres", sql)
	}
	for _, sql := range c.inside {
		r.exec(t, "postgres", r.name, sql)
	}
	user := r.user
	if c.as != "" {
		user = r.fill(c.as)
	}
	r.found = databaseServer{name: "db", only: []string{r.name}, fallback: r.name, conn: r.conn(user)}
	if c.own {
		own := r.conn("postgres")
		r.found.own = &own
		r.found.elevate(t.Context())
		if !strings.Contains(r.found.note, "may not create databases: the container's own user postgres is used instead") {
			t.Errorf("note %q", r.found.note)
		}
	}
	return r
}

func (r *rightsServer) fill(s string) string {
	return strings.NewReplacer("$U", r.user, "$A", r.app, "$D", r.name).Replace(s)
}

func (r *rightsServer) conn(user string) postgres.Conn {
	return postgres.Conn{Host: r.kit.Host(), Port: r.kit.Port, User: user, TLSMode: "disable"}
}

func (r *rightsServer) connect(t *testing.T, user, db string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", r.kit.Host(), r.kit.Port, user, db))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func (r *rightsServer) exec(t *testing.T, user, db, sql string) {
	t.Helper()
	conn := r.connect(t, user, db)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), r.fill(sql)); err != nil {
		t.Fatalf("%s: %v", r.fill(sql), err)
	}
}

func (r *rightsServer) major(t *testing.T) int {
	t.Helper()
	pg, err := postgres.Open(t.Context(), r.conn("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return pg.Major()
}

var statement = regexp.MustCompile(`as an administrator of the server: (GRANT CONNECT [^,]*|.*)`)

// preflight plans as the driver does and asks what the agent answers. A refusal comes with the statement that it names.
func (r *rightsServer) preflight(t *testing.T) (refusal, sql string) {
	t.Helper()
	named := func(text string) string {
		if m := statement.FindStringSubmatch(text); m != nil {
			return m[1]
		}
		return ""
	}
	server, err := readServer(t.Context(), r.found)
	if err != nil { // the snapshot lacks the server, and the plan refuses
		return err.Error(), named(err.Error())
	}
	pg, err := r.found.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := r.copy(t, server)
	way := proveWayBack(t.Context(), pg, c, true)
	if way.status == promotion.Pass {
		if c.Way != step.Clone {
			t.Errorf("the plan says %s", c.Way)
		}
		return "", ""
	}
	return way.message, named(way.hint)
}

// copy is the step that a plan has for the database.
func (r *rightsServer) copy(t *testing.T, server snapshot.Server) *step.CopyDatabase {
	t.Helper()
	p, _ := plan.Build(plan.Input{To: snapshot.Snapshot{Servers: []snapshot.Server{server}}, ID: "1", Now: time.Unix(0, 0), CopyName: postgres.CopyName})
	for _, item := range p.Steps {
		if c, ok := item.Step.(*step.CopyDatabase); ok {
			return c
		}
	}
	t.Fatal("the plan copies no database")
	return nil
}

// rollback does what a promotion that fails does with the database, and compares.
func (r *rightsServer) rollback(t *testing.T, way step.Way) {
	t.Helper()
	server, err := readServer(t.Context(), r.found)
	if err != nil {
		t.Fatal(err)
	}
	pg, err := r.found.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := point{dir: t.TempDir(), bundle: &bundle{}}
	db := &database{found: r.found, pg: pg, tools: postgres.LocalTools{Bin: r.kit.Bin, Work: r.dir}, point: p}
	opened := false
	target := &step.Target{
		ID: "1", Point: p, Databases: func(string) (step.Database, error) { return db, nil }, Progress: func(int64, int64, string, string) {}, Note: func(string, string) {},
		Started: func(string) bool { return opened },
		Prove: func(items ...promotion.ProofItem) {
			for _, item := range items {
				told := strings.HasPrefix(item.Reason, "large objects: not compared") || // only a superuser reads their pages
					way == step.Load && strings.HasPrefix(item.Reason, "public.stale: not compared: a materialized view")
				if !item.Equal || item.Reason != "" && !told {
					t.Errorf("%s: proof of %s: %s", way, item.Area, item.Reason)
				}
			}
		},
	}
	c := r.copy(t, server)
	c.Way = way
	fingerprint := &step.FingerprintDatabase{Server: "db", Database: r.name}
	closing := &step.CloseDatabase{Server: "db", Database: r.name}
	steps := []step.Step{&step.DumpDatabase{Server: "db", Database: r.name}, closing, fingerprint, c, &step.OpenDatabase{Server: "db", Database: r.name}}
	for _, s := range steps {
		if err := s.Do(t.Context(), target); err != nil {
			t.Fatalf("%s: %s: %v", way, s.Describe(), err)
		}
	}
	opened = true
	stuck := r.connect(t, r.app, r.name)
	defer stuck.Close(context.Background())
	if _, err := stuck.Exec(t.Context(), "DROP TABLE mine.orders; BEGIN; INSERT INTO public.t VALUES (2)"); err != nil && !strings.Contains(err.Error(), "row-level security") {
		t.Fatal(err)
	}
	for _, s := range []step.Step{steps[4], c, fingerprint, closing} {
		if err := s.Undo(t.Context(), target); err != nil {
			t.Fatalf("%s: back: %s: %v", way, s.Describe(), err)
		}
	}
	if err := c.Retire(t.Context(), db); err != nil {
		t.Error(err)
	}
	if n := r.count(t, "SELECT count(*) FROM mine.orders"); n != 100 {
		t.Errorf("%s: %d rows", way, n)
	}
	if n := r.count(t, "SELECT count(*) FROM pg_database WHERE datname LIKE 'promote.%'"); n != 0 {
		t.Errorf("%s: %d copies are left", way, n)
	}
}

func (r *rightsServer) count(t *testing.T, sql string) (n int) {
	t.Helper()
	conn := r.connect(t, "postgres", r.name)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
