package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/org/promote-action/internal/durable"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
)

// stateLock is the lock of the state volume once it is taken.
type stateLock struct{ lock *durable.Lock }

func (l *stateLock) Close() { _ = l.lock.Close() }

// trouble is why the state volume cannot be used.
func (s *Server) trouble() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// openToRead opens the state volume of a reader. One that was never used holds nothing.
func (s *Server) openToRead() {
	if s.options.StateDir == "" {
		return
	}
	store, err := journal.OpenStore(s.options.StateDir)
	switch {
	case err == nil:
		s.store = store
	case !errors.Is(err, journal.ErrNotWritable):
		s.problem = s.stateProblem(err)
	}
}

// takeState opens the state volume of a promoting agent, takes its lock, and takes up what a predecessor left. When that cannot
// be, the agent can only say so: drivers get the problem as the answer to every call, and the state is left as it is.
func (s *Server) takeState(ctx context.Context, held *stateLock) {
	store, lock, err := lockState(s.options.StateDir)
	if err != nil {
		problem := s.stateProblem(err)
		s.mu.Lock()
		if s.problem == nil {
			fmt.Fprintln(os.Stderr, "agent:", problem.Message)
		}
		s.problem = problem
		s.mu.Unlock()
		return
	}
	held.lock = lock
	s.store = store
	s.sweep(ctx)
	if err := s.takeUp(); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
	s.mu.Lock()
	s.problem = nil
	s.mu.Unlock()
}

func lockState(dir string) (*journal.Store, *durable.Lock, error) {
	store, err := journal.OpenStore(dir)
	if err != nil {
		return nil, nil, err
	}
	lock, err := store.Lock()
	if err != nil {
		return nil, nil, err
	}
	_ = os.MkdirAll(toolDir, 0o700) // where that fails the client programs will say so
	return store, lock, nil
}

// bound reports whether the engine would start this agent again, because it left something unfinished.
func (s *Server) bound(ctx context.Context) bool {
	own, err := s.engine.Container(ctx, s.self)
	return err != nil || own.RestartPolicy == "unless-stopped"
}

// stateProblem says why the state volume cannot be used, and what to do.
func (s *Server) stateProblem(err error) *Error {
	e := &Error{Message: strings.TrimSpace(err.Error()), Outcome: promotion.Refused}
	volume := StateVolume(s.options.Project)
	switch {
	case errors.Is(err, journal.ErrNewer):
		e.Hint = fmt.Sprintf("use the newer promote, this one is %s; volume %s was left as it is", s.options.Version, volume)
	case errors.Is(err, journal.ErrNotWritable):
		e.Hint = fmt.Sprintf("make volume %s writable on its engine (docker volume inspect %s), then: promote recover", volume, volume)
	case errors.Is(err, journal.ErrLocked):
		e.Outcome = promotion.Locked
		e.Hint = fmt.Sprintf("another container works on volume %s: docker ps --filter volume=%s", volume, volume)
	default:
		e.Hint = fmt.Sprintf("look at volume %s on its engine: docker volume inspect %s", volume, volume)
	}
	return e
}
