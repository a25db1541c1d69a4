package check

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/testkit"
)

// reader is a Querier that connects for each call.
type reader struct{ dsn string }

func connect(server *testkit.Server, user, database string) reader {
	u := url.URL{Scheme: "postgres", User: url.User(user), Host: server.Host() + ":" + strconv.Itoa(server.Port), Path: database, RawQuery: "sslmode=disable"}
	return reader{u.String()}
}

func (r reader) Ping(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, r.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

func (r reader) Query(ctx context.Context, sql string) ([][]string, error) {
	conn, err := pgx.Connect(ctx, r.dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	rows, err := tx.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]string
	for rows.Next() {
		var row []string
		for _, v := range rows.RawValues() {
			row = append(row, string(v))
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// open is a session that stays until the test ends.
func (r reader) open(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), r.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (r reader) exec(t *testing.T, statements ...string) {
	t.Helper()
	conn := r.open(t)
	defer conn.Close(t.Context())
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// settle waits until the server has noticed that all other sessions of the database are closed.
func (r reader) settle(t *testing.T) {
	t.Helper()
	for range 100 {
		rows, err := r.Query(t.Context(), "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		if err == nil && len(rows) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("sessions of an earlier test stay open")
}

func TestDatabase(t *testing.T) {
	server := testkit.NewPostgres(t, "max_connections = 30", "superuser_reserved_connections = 2")
	root := connect(server, server.User, "postgres")
	root.exec(t, "CREATE DATABASE shop", "CREATE DATABASE broken", "CREATE ROLE app LOGIN")
	good, broken, app := connect(server, server.User, "shop"), connect(server, server.User, "broken"), connect(server, "app", "shop")

	subject := func(name string, r Querier) Subject {
		return Subject{Environment: "staging", Databases: []Database{{Name: name, Service: "db", Reader: r}}}
	}
	all := func(s Subject) map[string]promotion.Check {
		results, err := Run(t.Context(), Tests(s), Options{Only: []string{"database"}})
		if err != nil {
			t.Fatal(err)
		}
		byName := make(map[string]promotion.Check)
		for _, c := range results {
			byName[c.Name] = c
		}
		return byName
	}

	t.Run("well", func(t *testing.T) {
		got := all(subject("main", good))
		if len(got) != 10 {
			t.Errorf("%d checks", len(got))
		}
		for name, c := range got {
			if name == "main through the application" {
				expect(t, c, promotion.Skip, "no service with an HTTP health endpoint depends on db")
				continue
			}
			expect(t, c, promotion.Pass, "")
		}
		expect(t, got["main connects"], promotion.Pass, "database shop as postgres")
		if !got["main connects"].Critical {
			t.Error("a database that can't be reached has to be critical")
		}
	})

	t.Run("leftovers", func(t *testing.T) {
		broken.exec(t,
			`CREATE TABLE "Order" AS SELECT 1 AS id UNION ALL SELECT 1`,
			`ALTER TABLE "Order" ADD CONSTRAINT positive CHECK (id > 0) NOT VALID`,
			"UPDATE pg_extension SET extversion = '0.9'")
		conn := broken.open(t)
		if _, err := conn.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY one ON "Order" (id)`); err == nil {
			t.Fatal("the index was built")
		}
		conn.Close(t.Context())
		got := all(subject("main", broken))
		expect(t, got["main indexes"], promotion.Warn, `1 index is not valid: public.one on "Order"`)
		expect(t, got["main constraints"], promotion.Warn, `1 constraint is not validated: positive on "Order"`)
		expect(t, got["main extensions"], promotion.Warn, "plpgsql 0.9, the server offers 1.0")
		broken.exec(t, "UPDATE pg_extension SET extname = 'postgis'")
		expect(t, all(subject("main", broken))["main extensions"], promotion.Fail, "not on the server: postgis")
	})

	t.Run("open transactions", func(t *testing.T) {
		idle := good.open(t)
		if _, err := idle.Exec(t.Context(), "BEGIN; SELECT 1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		for sql, judge := range map[string]func([][]string) promotion.Check{
			fmt.Sprintf(sqlTransactions, 1): judgeTransactions,
			fmt.Sprintf(sqlIdle, 1):         judgeIdle,
		} {
			seen := Database{Reader: good}.ask(t.Context(), question{sql: sql, judge: judge})
			expect(t, seen, promotion.Warn, "for more than")
			expect(t, seen, promotion.Warn, fmt.Sprintf("pid %d, postgres", idle.PgConn().PID()))
			hidden := Database{Reader: app}.ask(t.Context(), question{sql: sql, judge: judge})
			expect(t, hidden, promotion.Skip, "may not look into sessions of others")
		}
	})

	t.Run("too many sessions", func(t *testing.T) {
		good.exec(t, "ALTER DATABASE shop CONNECTION LIMIT 4")
		good.settle(t)
		for range 3 {
			app.open(t)
		}
		c := Database{Reader: good}.ask(t.Context(), question{sql: sqlSessions, judge: judgeSessions})
		expect(t, c, promotion.Fail, "% of the database's connection limit 4")
		good.exec(t, "ALTER DATABASE shop CONNECTION LIMIT -1")
		for range 23 {
			good.open(t)
		}
		c = Database{Reader: good}.ask(t.Context(), question{sql: sqlSessions, judge: judgeSessions})
		expect(t, c, promotion.Fail, "% of max_connections 30")
	})

	t.Run("custom queries", func(t *testing.T) {
		text := func(s string) *string { return &s }
		for _, test := range []struct {
			name    string
			sql     SQL
			status  promotion.Status
			message string
		}{
			{"only database", SQL{Query: "SELECT 1"}, promotion.Pass, "1 row"},
			{"expected", SQL{Database: "main", Query: "VALUES (1, 'a'), (2, NULL)", Expect: text("1|a\n2|\n")}, promotion.Pass, "2 rows"},
			{"other", SQL{Database: "main", Query: "SELECT 1", Expect: text("2")}, promotion.Fail, `answered "1", expected "2"`},
			{"no rows wanted", SQL{Query: "SELECT 1 WHERE false", Expect: text("")}, promotion.Pass, "0 rows"},
			{"no rows wanted, one came", SQL{Query: "SELECT 1", Expect: text("")}, promotion.Fail, `answered "1"`},
			{"wrong", SQL{Query: "SELECT * FROM nothing"}, promotion.Fail, "does not exist"},
			{"writes", SQL{Query: "CREATE TABLE x ()"}, promotion.Fail, "read-only transaction"},
		} {
			s := subject("main", good)
			s.Custom = []Custom{{Name: test.name, SQL: &test.sql}}
			expect(t, named(t, s, test.name), test.status, test.message)
		}
	})
}

func TestDatabaseThatIsAStandbyOrDown(t *testing.T) {
	server := testkit.NewPostgres(t)
	s := Subject{Databases: []Database{{Name: "main", Reader: connect(server, server.User, "postgres")}}}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	got, _ := Run(t.Context(), Tests(s), Options{Only: []string{"database"}})
	for _, c := range got {
		if c.Name == "main connects" {
			expect(t, c, promotion.Fail, "can't connect")
		} else {
			expect(t, c, promotion.Skip, "")
		}
	}
	if err := os.WriteFile(filepath.Join(server.Data(), "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	expect(t, named(t, s, "main takes writes"), promotion.Fail, "in recovery")
}

func TestDatabaseWithoutReader(t *testing.T) {
	s := Subject{Databases: []Database{{Name: "main", Problem: "no password is known"}}}
	expect(t, named(t, s, "main connects"), promotion.Error, "no password is known")
	expect(t, named(t, s, "main indexes"), promotion.Skip, "no connection")
}

func TestDatabaseThroughTheApplication(t *testing.T) {
	replicas, port := serve(t, says(200, "ok"))
	s := Subject{
		Databases: []Database{{Name: "main", Service: "db"}},
		Services: []Service{
			{Name: "api", DependsOn: []string{"db"}, Containers: replicas, Health: Health{Path: "/healthz", Port: port}},
			{Name: "web", DependsOn: []string{"api"}, Health: Health{Path: "/"}},
			{Name: "migrate", OneShot: true, DependsOn: []string{"db"}, Health: Health{Path: "/"}},
		},
	}
	expect(t, named(t, s, "main through the application"), promotion.Pass, "api/healthz")
	s.Services[1].DependsOn = []string{"db"}
	expect(t, named(t, s, "main through the application"), promotion.Fail, "through web: has no container")
	s.Databases[0].Service = ""
	expect(t, named(t, s, "main through the application"), promotion.Skip, "no service of the stack")
}

func TestTransactionIDs(t *testing.T) {
	for _, test := range []struct {
		row     []string
		status  promotion.Status
		message string
	}{
		{[]string{"250000000", "1", "200000000", "400000000"}, promotion.Pass, "250000000"},
		{[]string{"300000001", "1", "200000000", "400000000"}, promotion.Warn, "oldest transaction id"},
		{[]string{"1", "600000001", "200000000", "400000000"}, promotion.Warn, "oldest multixact id"},
		{[]string{"", "1", "2", "3"}, promotion.Error, "unexpected answer"},
	} {
		expect(t, judgeAges([][]string{test.row}), test.status, test.message)
	}
}
