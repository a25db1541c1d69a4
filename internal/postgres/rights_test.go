package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/testkit"
)

func TestRightsAndProbe(t *testing.T) {
	makeRole(t, "plain", "")
	makeRole(t, "own", "CREATEDB")
	makeRole(t, "member", "CREATEDB")
	makeDatabase(t, "rights_test", "OWNER own")
	run(t, "postgres", "GRANT own TO member", "GRANT pg_signal_backend TO member")
	for _, c := range []struct {
		user    string
		missing []string
		probe   bool
	}{
		{"postgres", nil, true},
		{"member", nil, true},
		{"own", []string{`GRANT "pg_signal_backend" TO "own"`}, true},
		{"plain", []string{`ALTER ROLE "plain" CREATEDB`, `GRANT "own" TO "plain"`, `GRANT "pg_signal_backend" TO "plain"`}, false},
	} {
		s := openAs(t, c.user)
		r, err := s.Rights(t.Context(), "rights_test")
		if err != nil {
			t.Fatal(err)
		}
		var grants []string
		for _, m := range r.Missing {
			grants = append(grants, m.Grant)
		}
		if fmt.Sprint(grants) != fmt.Sprint(c.missing) || r.User != c.user {
			t.Errorf("%s: %+v", c.user, r)
		}
		err = s.Probe(t.Context(), "rights_test")
		if c.probe && err != nil || !c.probe && !errors.Is(err, ErrRights) {
			t.Errorf("%s: probe: %v", c.user, err)
		}
	}
	// What a killed probe left.
	run(t, "postgres", "CREATE DATABASE "+ident(CopyName("rights_test", "probe", "b"))+" TEMPLATE template0")
	s := open(t)
	if err := s.Probe(t.Context(), "rights_test"); err != nil {
		t.Fatal(err)
	}
	if n := value(t, "postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'promote.probe.%'"); n != "0" {
		t.Errorf("%s databases of the probe are left", n)
	}
	if _, err := s.Rights(t.Context(), "no such"); !errors.Is(err, ErrNoDatabase) {
		t.Errorf("rights in no database: %v", err)
	}
}

func TestQuiesceWithoutTheRightToSignal(t *testing.T) {
	makeRole(t, "owner_only", "CREATEDB")
	makeDatabase(t, "signal_test", "OWNER owner_only")
	other := session(t, "postgres", "signal_test")
	s := openAs(t, "owner_only")
	_, err := s.Quiesce(t.Context(), "signal_test", QuiesceOptions{Deadline: 100 * time.Millisecond})
	if !errors.Is(err, ErrRights) || !strings.Contains(err.Error(), "superuser") {
		t.Errorf("got %v", err)
	}
	if value(t, "postgres", "SELECT datallowconn FROM pg_database WHERE datname = 'signal_test'") != "true" {
		t.Error("the database stays closed")
	}
	closeConn(other)
	if _, err := s.Quiesce(t.Context(), "signal_test", QuiesceOptions{}); err != nil {
		t.Error(err)
	}
	// The owner alone can do all the rest.
	clone, failed := CopyName("signal_test", "clone", "1"), CopyName("signal_test", "failed", "1")
	if _, err := s.Clone(t.Context(), "signal_test", clone, CloneOptions{ID: "1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Swap(t.Context(), "signal_test", failed, clone); err != nil {
		t.Fatal(err)
	}
}

func TestOpenSaysWhoAndWhereButNoPassword(t *testing.T) {
	c := connOf(t, "nobody")
	c.Password = "s3cret:'"
	_, err := Open(t.Context(), c)
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "nobody@127.0.0.1") {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{fmt.Sprintf("%v", c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("printed: %s", text)
		}
	}
	c = connOf(t, "postgres")
	c.Port = 1
	started := time.Now()
	_, err = Open(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "connection refused") || time.Since(started) > 6*time.Second {
		t.Errorf("got %v", err)
	}
	t.Setenv("PGHOST", "elsewhere")
	t.Setenv("PGOPTIONS", "-c work_mem=1")
	s := open(t)
	i, err := s.Info(t.Context())
	if err != nil || i.Number/10000 != s.Major() || !i.Superuser || i.DataDirectory == "" || i.Uptime(time.Now()) <= 0 {
		t.Errorf("%+v, %v", i, err)
	}
}

func TestPasswordsReachServerAndPrograms(t *testing.T) {
	const password = `p:a\ss'w"ö rd`
	makeRole(t, testkit.PasswordUser, "PASSWORD "+literal(password))
	makeDatabase(t, "password_test", "OWNER "+testkit.PasswordUser, "CREATE TABLE a (b int)")
	c := connOf(t, testkit.PasswordUser)
	if _, err := Open(t.Context(), c); err == nil {
		t.Error("no password was asked for")
	}
	c.Password = "wrong"
	if _, err := Open(t.Context(), c); code(err) != "28P01" {
		t.Errorf("wrong password: %v", err)
	}
	c.Password, c.TLSMode = password, "" // prefer: this server has no TLS
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "password_test", "ALTER TABLE a OWNER TO "+testkit.PasswordUser)
	client := clientOf(t, "")
	client.Conn = c
	if _, err := s.Dump(t.Context(), client, "password_test", io.Discard, DumpOptions{}); err != nil {
		t.Error(err)
	}
	socket := connOf(t, "postgres")
	socket.Host = testkit.Postgres(t).Dir
	if _, err := Open(t.Context(), socket); err != nil {
		t.Error(err)
	}
	dialed := ""
	c.Host, c.Dial = "db.inside", func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialed = addr
		var d net.Dialer
		return d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", c.Port))
	}
	if _, err := Open(t.Context(), c); err != nil || dialed != fmt.Sprintf("db.inside:%d", c.Port) {
		t.Errorf("dialed %q: %v", dialed, err)
	}
}

func TestReplicationIsReportedAndSettingsThatCannotBeCarried(t *testing.T) {
	makeRole(t, "tenant", "CREATEDB")
	makeDatabase(t, "slot_test", "OWNER tenant")
	run(t, "slot_test", "SELECT pg_create_logical_replication_slot('follower', 'pgoutput')", "ALTER DATABASE slot_test SET log_min_duration_statement = 1",
		"CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1 dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)")
	s := openAs(t, "tenant")
	found, err := s.Quiesce(t.Context(), "slot_test", QuiesceOptions{})
	if err != nil || fmt.Sprint(found.Slots, found.Subscriptions) != "[follower] [feed]" {
		t.Errorf("%+v, %v", found, err)
	}
	result, err := s.Clone(t.Context(), "slot_test", CopyName("slot_test", "clone", "1"), CloneOptions{ID: "1"})
	if err != nil || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "log_min_duration_statement") {
		t.Errorf("%+v, %v", result, err)
	}
	if err := s.Reopen(t.Context(), "slot_test"); err != nil {
		t.Fatal(err)
	}
	run(t, "slot_test", "DROP SUBSCRIPTION feed")
}
