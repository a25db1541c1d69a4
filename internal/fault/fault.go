// Package fault is a believable target in memory, for tests: containers, databases with sessions, volumes and a checkout that
// change only through the interfaces of the steps. It also kills whoever works on it, makes its operations fail, fills its
// disk and restarts its host at any chosen moment, and judges what is left.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is what goes wrong.
type Kind string

// The kinds of faults.
const (
	Kill         Kind = "kill"          // SIGKILL of the agent
	Reboot       Kind = "reboot"        // the host restarts, the agent and all containers with it
	FailBefore   Kind = "fail-before"   // an operation fails and has done nothing
	FailAfter    Kind = "fail-after"    // an operation is done, and its answer is lost
	Stall        Kind = "stall"         // an operation never answers, whether it is done or not: its time runs out
	DiskFull     Kind = "disk-full"     // the next writes to the state volume fail
	DatabaseDown Kind = "database-down" // the next operations on a database fail
	Cancel       Kind = "cancel"        // someone asks to stop
	Crash        Kind = "crash"         // SIGKILL of a real database server during the next operation
)

// Kinds are all faults of a model.
var Kinds = []Kind{Kill, Reboot, FailBefore, FailAfter, Stall, DiskFull, DatabaseDown, Cancel}

// Fault is one thing that goes wrong at one moment. A moment is before or after one change of the target, the journal or the
// restore point.
type Fault struct {
	At   int // moments from the start of the process that it hits
	Kind Kind
	For  int // operations, of disk-full and database-down
}

func (f Fault) String() string {
	if f.For > 0 {
		return fmt.Sprintf("%s(%d)@%d", f.Kind, f.For, f.At)
	}
	return fmt.Sprintf("%s@%d", f.Kind, f.At)
}

// ErrInjected is the error of an operation that was made to fail.
var ErrInjected = errors.New("injected")

var (
	errNoAnswer = errors.New("no answer in time")
	errDeadline = errors.New("the promotion was not done in time")
)

// killed is what unwinds a process that is killed.
type killed struct{}

// Killed runs do as a process that may be killed, and reports whether it was.
func Killed(do func()) (dead bool) {
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case killed:
			dead = true
		default:
			panic(r)
		}
	}()
	do()
	return false
}

// Arm makes the faults happen in the process that starts now. The last process's faults are forgotten.
func (w *World) Arm(faults []Fault, cancel context.CancelCauseFunc, cause error) {
	w.moment, w.faults, w.failNext, w.full, w.down = 0, faults, "", 0, 0
	w.cancel, w.expire = func() { cancel(cause) }, func() { cancel(errDeadline) }
}

// Moments is how many moments the present process has seen.
func (w *World) Moments() int { return w.moment }

// tick is one moment: the world goes on by itself, and what is due goes wrong.
func (w *World) tick(what string) {
	w.moment++
	w.trace = append(w.trace, what)
	w.live()
	for _, f := range w.faults {
		if f.At != w.moment {
			continue
		}
		w.trace = append(w.trace, "FAULT "+f.String())
		switch f.Kind {
		case Kill:
			panic(killed{})
		case Reboot:
			w.reboot()
			panic(killed{})
		case FailBefore, FailAfter, Stall:
			w.failNext = f.Kind
		case DiskFull:
			w.full = f.For
		case DatabaseDown:
			w.down = f.For
		case Crash:
			w.real.Crash()
		case Cancel:
			w.Cancelled = true
			w.cancel()
		}
	}
}

// op is one operation on the target, with a moment before and one after it.
func (w *World) op(ctx context.Context, name string, effect func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.tick("before " + name)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.failNext == FailBefore {
		w.failNext = ""
		return fmt.Errorf("%s: %w", name, ErrInjected)
	}
	if w.failNext == Stall {
		return w.stall(ctx, name, effect)
	}
	w.watch(name)
	err := effect()
	w.tick("after " + name)
	if w.failNext == FailAfter {
		w.failNext = ""
		return errors.Join(err, fmt.Errorf("%s: answer lost: %w", name, ErrInjected))
	}
	return err
}

// stall is an operation without an answer: the deadline of the promotion passes meanwhile, or on the way back, which has a
// deadline of its own, that of the operation.
func (w *World) stall(ctx context.Context, name string, effect func() error) error {
	w.failNext = ""
	if w.moment%2 == 0 {
		w.watch(name)
		_ = effect() // nobody hears how it went
	}
	w.expire()
	w.tick("no answer to " + name)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%s: %w", name, errNoAnswer)
}

// watch notes what must not be: data is copied, put back or migrated while a service runs that was stopped for it, or put
// back while a job still works on it.
func (w *World) watch(name string) {
	move := false
	for _, prefix := range []string{"create promote.", "swap ", "copy volume", "restore volume", "start job"} {
		move = move || strings.HasPrefix(name, prefix)
	}
	for _, c := range w.Containers {
		if move && c.Running && (c.Stopped || c.Job && strings.HasPrefix(name, "swap ")) {
			w.Wrong = append(w.Wrong, fmt.Sprintf("%s while %s of the %s release runs", name, c.Service, release(c)))
		}
	}
}

// Trace is what happened so far, for a report of a violation.
func (w *World) Trace() []string { return w.trace }
