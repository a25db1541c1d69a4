package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/step"
)

// shutOutError is a server that does not take promote's password any more.
type shutOutError struct {
	server string
	user   string
	err    error
}

func (e *shutOutError) Error() string { return e.err.Error() + "; " + e.hint() }

func (e *shutOutError) hint() string {
	return fmt.Sprintf("if a release changed it, give %s the password again that promote has, in psql as an administrator of server %s: \\password %s; then promote recover, or promote rollback",
		e.user, e.server, pgx.Identifier{e.user}.Sanitize())
}

func (e *shutOutError) Unwrap() []error {
	return []error{e.err, &Error{Message: e.err.Error(), Hint: e.hint()}}
}

// databaseAgain is database of a server that a release has shut promote's user out of.
func (e *environment) databaseAgain(ctx context.Context, name string, p point, note func(level, message string)) (*database, error) {
	found, err := e.find(ctx, name, p)
	if err != nil {
		return nil, err
	}
	text, refused := e.readmit(ctx, found, p)
	db, err := e.database(ctx, name, p)
	switch {
	case refused != nil && errors.Is(err, postgres.ErrPassword):
		return nil, fmt.Errorf("%w; promote could not put it back itself: %w", err, refused)
	case err == nil && refused == nil:
		note("warning", text)
	}
	return db, err
}

// readmit gives the user of a server its recorded password and attributes again, which the release that is rolled back took.
// It goes through the server's own socket in its container, as the container's own user, and returns what a person should know.
func (e *environment) readmit(ctx context.Context, s databaseServer, p point) (note string, err error) {
	if s.container.ID == "" {
		return "", errors.New("it is outside the stack, where promote has no other way in")
	}
	var was postgres.Globals
	data, err := p.Read(step.GlobalsFile(s.name))
	if err == nil {
		err = json.Unmarshal(data, &was)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	own := cmp.Or(s.container.Env["POSTGRES_USER"], "postgres")
	statement := was.LetIn(s.conn.User, s.conn.Password)
	var errs []error
	for _, account := range []string{"", "postgres"} { // a socket that trusts, or one that asks who the process is
		for _, db := range []string{"postgres", "template1"} { // one may be closed
			argv := []string{"psql", "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--username=" + own, "--dbname=" + db}
			if err = e.feed(ctx, s.container.ID, account, argv, statement); err == nil {
				return fmt.Sprintf("the release changed the password of %s, promote's own user: it was put back in container %s as %s, to roll back", s.conn.User, s.container.Name, own), nil
			}
			errs = append(errs, err)
		}
	}
	return "", fmt.Errorf("as %s in container %s: %w", own, s.container.Name, errors.Join(errs...))
}

// feed runs a program in a container with text as its standard input, where no list of processes shows it.
func (e *environment) feed(ctx context.Context, id, account string, argv []string, input string) error {
	stream, err := e.engine.ExecAs(ctx, id, account, argv)
	if err != nil {
		return err
	}
	defer stream.Close()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	if _, err := io.WriteString(stream, input); err != nil {
		return err
	}
	if err := stream.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return err
	}
	code, err := stream.Wait(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: exit status %d: %s", argv[0], code, strings.TrimSpace(stream.Stderr()))
	}
	return err
}
