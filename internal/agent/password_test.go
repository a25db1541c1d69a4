package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/testkit"
)

// A release that changes the password of promote's own user is told apart from a server that is not there.
func TestAChangedPasswordSaysHowToGetInAgain(t *testing.T) {
	r := &rightsServer{kit: testkit.Postgres(t)}
	r.exec(t, "postgres", "postgres", "CREATE ROLE "+testkit.PasswordUser+" LOGIN PASSWORD 'new'")
	defer r.exec(t, "postgres", "postgres", "DROP ROLE "+testkit.PasswordUser)
	s := databaseServer{name: "db", conn: r.conn(testkit.PasswordUser)}
	s.conn.Password = "s3cret"
	_, err := s.open(t.Context())
	var known *Error
	if !errors.As(err, &known) || !strings.Contains(known.Hint, `\password "password_user"; then promote recover`) || strings.Contains(known.Message+known.Hint, "s3cret") {
		t.Errorf("%v, %+v", err, known)
	}
	s.conn = postgres.Conn{Host: "127.0.0.1", Port: 1, User: "postgres"}
	if _, err := s.open(t.Context()); err == nil || errors.As(err, &known) && strings.Contains(known.Message, "refused") {
		t.Errorf("no server: %v", err)
	}
	r.exec(t, "postgres", "postgres", "ALTER ROLE "+testkit.PasswordUser+" PASSWORD 's3cret'") // what the hint says
	s.conn = r.conn(testkit.PasswordUser)
	s.conn.Password = "s3cret"
	if _, err := s.open(t.Context()); err != nil {
		t.Error(err)
	}
}
