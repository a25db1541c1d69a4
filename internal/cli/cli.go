// Package cli is the command line: it turns arguments and the environment into calls of the driver, shows what happens,
// and is the only place where an error becomes an exit code.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
)

// Process is what a program gets from its caller.
type Process struct {
	Args    []string
	Stdin   *os.File
	Stdout  *os.File
	Stderr  *os.File
	Environ []string
}

// Getenv is the value of a variable of the process.
func (p Process) Getenv(key string) string {
	v, _ := p.Lookup(key)
	return v
}

// Lookup is the value of a variable of the process and whether it is set.
func (p Process) Lookup(key string) (string, bool) {
	for _, kv := range p.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == key {
			return v, true
		}
	}
	return "", false
}

// ExitError is an outcome that was told already: only the exit code is left.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// usageError is a wrong call.
type usageError struct {
	message string
	hint    string
}

func (e *usageError) Error() string { return e.message }

// Hint is how it is called.
func (e *usageError) Hint() string { return e.hint }

// Main runs the program and returns its exit code.
func Main(p Process) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{process: p}
	switch {
	case filepath.Base(p.Args[0]) == postName:
		return 0
	case isAction(p):
		return a.runAction(ctx)
	}
	return a.execute(ctx, p.Args[1:])
}

// execute runs the command that the arguments name.
func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetOut(a.process.Stdout)
	root.SetErr(a.process.Stderr)
	err := root.ExecuteContext(ctx)
	a.close()
	return a.code(err)
}

// code is the one place where an error becomes an exit code.
func (a *app) code(err error) int {
	var exit *ExitError
	var known *driver.Error
	var problems config.Problems
	code := 1
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &problems):
		a.tellError(err, 2, problems)
		return 2
	case isUsage(err):
		code = 2
	case errors.As(err, &known) && known.Outcome != "":
		code = known.Outcome.Code()
	case errors.Is(err, context.Canceled):
		code = promotion.Canceled.Code()
	}
	a.tellError(err, code, nil)
	return code
}

// errorDocument is the JSON of a command that has no result to tell.
type errorDocument struct {
	Schema   string          `json:"schema"` // promote.error/1
	Error    string          `json:"error"`
	Hint     string          `json:"hint,omitempty"`
	Problems config.Problems `json:"problems,omitempty"`
	Code     int             `json:"exit_code"`
}

// tellError writes an error for a person, and as the one JSON document where that was asked for.
func (a *app) tellError(err error, code int, problems config.Problems) {
	words := redacted{a, err}
	switch {
	case len(problems) > 0 && a.action != nil:
		a.action.problems = problems
	case len(problems) > 0:
		fmt.Fprint(a.process.Stderr, a.secrets.String(problems.Text()))
	default:
		a.complain(err)
	}
	if a.format == string(report.JSON) && !a.printed {
		_ = a.document(errorDocument{"promote.error/1", words.Error(), words.Hint(), problems, code}, "")
	}
}

// complain writes an error for a person.
func (a *app) complain(err error) {
	words := redacted{a, err}
	if a.action != nil {
		a.action.complaints = append(a.action.complaints, withNext(words.Error(), words.Hint()))
		return
	}
	fmt.Fprint(a.process.Stderr, report.Error(words, a.kindErr().Style))
}

// isUsage reports whether the caller asked for something that can't be, or the configuration is wrong.
func isUsage(err error) bool {
	var (
		usage      *usageError
		notFound   *config.NotFoundError
		unknown    *config.UnknownNameError
		same       *config.SameEnvironmentError
		noCompose  *config.NoComposeError
		badCompose *config.ComposeError
		format     *report.FormatError
		saved      *driver.SnapshotError
	)
	return errors.As(err, &usage) || errors.As(err, &notFound) || errors.As(err, &unknown) || errors.As(err, &same) ||
		errors.As(err, &noCompose) || errors.As(err, &badCompose) || errors.As(err, &format) || errors.As(err, &saved)
}

// redacted is an error whose text holds no secret.
type redacted struct {
	a   *app
	err error
}

func (r redacted) Error() string { return r.a.secrets.String(r.err.Error()) }

func (r redacted) Hint() string {
	var h interface{ Hint() string }
	if errors.As(r.err, &h) {
		return r.a.secrets.String(h.Hint())
	}
	return ""
}

func (r redacted) Unwrap() error { return r.err }
