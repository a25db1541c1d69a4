package postgres

import (
	"strings"
	"testing"
)

func TestGlobalsAreGivenBack(t *testing.T) {
	const db = "globals – Test"
	makeDatabase(t, db, "", "CREATE TABLE item (id int PRIMARY KEY)")
	drop := func(sql ...string) {
		for _, q := range sql {
			conn := session(t, "postgres", "template1")
			_, _ = conn.Exec(t.Context(), q)
			closeConn(conn)
		}
	}
	forget := []string{`DROP OWNED BY g_new`, `DROP ROLE IF EXISTS g_group, "g_Login User", g_gone, g_new`}
	drop(forget...)
	defer drop(append(forget, "ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")...)
	run(t, db,
		`CREATE ROLE g_group`, `CREATE ROLE "g_Login User" LOGIN PASSWORD 'it''s old' CONNECTION LIMIT 7`, `GRANT g_group TO "g_Login User"`,
		`ALTER ROLE "g_Login User" SET search_path = 'a b', public`, `CREATE ROLE g_gone LOGIN PASSWORD 'x' VALID UNTIL '2031-01-02'`,
		`GRANT g_group TO g_gone WITH ADMIN OPTION`, `ALTER ROLE g_gone SET work_mem = '8MB'`, `ALTER SYSTEM SET work_mem = '5MB'`,
	)
	s := open(t)
	was, err := s.ReadGlobals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run(t, db,
		`REVOKE g_group FROM "g_Login User"`, `ALTER ROLE "g_Login User" NOLOGIN PASSWORD 'new' CONNECTION LIMIT -1`, `ALTER ROLE "g_Login User" RESET search_path`,
		`DROP ROLE g_gone`, `CREATE ROLE g_new`, `CREATE TABLE made (id int)`, `ALTER TABLE made OWNER TO g_new`, `GRANT SELECT ON item TO g_new`, `GRANT g_group TO g_new`,
		`ALTER SYSTEM SET work_mem = '9MB'`, `ALTER SYSTEM SET maintenance_work_mem = '99MB'`,
	)
	run(t, "template1", "ALTER DATABASE "+ident(db)+" ALLOW_CONNECTIONS false")
	now, err := s.ReadGlobals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(was.Differences(now), "\n")
	for _, want := range []string{
		"role g_gone is gone", "role g_new was not there", "role g_Login User has another password", "role g_Login User has other settings", "g_Login User is no longer a member of g_group",
		"g_new was no member of g_group", `ALTER SYSTEM: maintenance_work_mem is "99MB", was ""`, `ALTER SYSTEM: work_mem is "9MB", was "5MB"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not told in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "SCRAM") {
		t.Errorf("a password is told: %s", got)
	}
	for range 2 { // repeated after a kill
		if err := s.RestoreGlobals(t.Context(), was, []string{db, "not there"}); err != nil {
			t.Fatal(err)
		}
		if now, err = s.ReadGlobals(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := was.Differences(now); len(d) > 0 {
			t.Errorf("still differs: %s", strings.Join(d, "; "))
		}
	}
	if got := value(t, "template1", "SELECT datallowconn FROM pg_database WHERE datname = "+literal(db)); got != "false" {
		t.Errorf("the closed database was left open: %s", got)
	}
}

// From PostgreSQL 16 on a membership has options, and one for each grantor.
func TestGrantsOfMembershipsAreGivenBack(t *testing.T) {
	s := open(t)
	if s.Major() < 16 {
		t.Skip("memberships have these options from PostgreSQL 16 on")
	}
	forget := []string{"DROP ROLE IF EXISTS gm_late", "REVOKE gm_team FROM gm_user GRANTED BY gm_chief", "DROP ROLE IF EXISTS gm_user", "DROP ROLE IF EXISTS gm_chief", "DROP ROLE IF EXISTS gm_team"}
	drop := func() {
		conn := session(t, "postgres", "template1")
		defer closeConn(conn)
		for _, sql := range forget {
			_, _ = conn.Exec(t.Context(), sql)
		}
	}
	drop()
	defer drop()
	run(t, "template1", "CREATE ROLE gm_team", "CREATE ROLE gm_chief", "CREATE ROLE gm_user",
		"GRANT gm_team TO gm_chief WITH ADMIN TRUE, INHERIT FALSE", "GRANT gm_team TO gm_user WITH INHERIT FALSE, SET FALSE GRANTED BY gm_chief")
	was, err := s.ReadGlobals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ change, told string }{
		{"GRANT gm_team TO gm_user WITH INHERIT TRUE GRANTED BY gm_chief", "gm_user is no longer a member of gm_team in the same way"},
		{"GRANT gm_team TO gm_user WITH SET TRUE GRANTED BY gm_chief", "gm_user is no longer a member of gm_team in the same way"},
		{"GRANT gm_team TO gm_user WITH ADMIN TRUE GRANTED BY gm_chief", "gm_user is no longer a member of gm_team in the same way"},
		{"GRANT gm_team TO gm_user", "gm_user was no member of gm_team by grant of postgres"},
		{"REVOKE gm_team FROM gm_user GRANTED BY gm_chief; GRANT gm_team TO gm_user WITH INHERIT FALSE, SET FALSE", "gm_user is no longer a member of gm_team in the same way"},
		{"REVOKE gm_team FROM gm_chief CASCADE", "gm_chief is no longer a member of gm_team in the same way"},
		{"CREATE ROLE gm_late; GRANT gm_team TO gm_late WITH ADMIN TRUE; GRANT gm_team TO gm_user GRANTED BY gm_late", "gm_user was no member of gm_team by grant of gm_late"},
	} {
		run(t, "template1", c.change)
		now, err := s.ReadGlobals(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Join(was.Differences(now), "; "); !strings.Contains(told, c.told) {
			t.Errorf("%s: told %q, want %q", c.change, told, c.told)
		}
		if err := s.RestoreGlobals(t.Context(), was, nil); err != nil {
			t.Errorf("%s: %v", c.change, err)
		}
		if now, err = s.ReadGlobals(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := was.Differences(now); len(d) > 0 {
			t.Errorf("%s: still differs: %s", c.change, strings.Join(d, "; "))
		}
	}
}
