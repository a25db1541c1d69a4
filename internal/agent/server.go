package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
)

// Socket is where an agent listens: an abstract socket of its own network namespace, so that no stale file can be left.
const Socket = "@promote-agent"

// Options say what an agent is for.
type Options struct {
	Project  string
	Version  string
	Reader   bool          // reads only, and ends with its caller
	StateDir string        // where the state volume is mounted; empty for a reader without one
	Patience time.Duration // how long a promotion that has touched nothing waits for its driver; 0 is 45 s
}

// Server is the agent.
type Server struct {
	options Options
	engine  *compose.Engine
	store   *journal.Store
	self    string // id of the own container

	quiet  quiet
	passed stopwatch

	mu      sync.Mutex
	problem *Error // why the state volume cannot be used; nil when it can
	current *running
	leaving bool
	stop    context.CancelFunc
}

// Serve runs an agent until it has nothing more to do or ctx ends. A promoting agent first takes the lock of the state
// volume, and goes on with what a killed predecessor left.
func Serve(ctx context.Context, o Options) error {
	if o.Patience <= 0 {
		o.Patience = 45 * time.Second
	}
	listener, err := net.Listen("unix", Socket)
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	e, err := compose.Open(ctx, engineEndpoint())
	if err != nil {
		return err
	}
	defer e.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	passed := newStopwatch()
	s := &Server{options: o, engine: e, stop: cancel, passed: passed, quiet: quiet{passed: passed}}
	s.self, _ = os.Hostname()
	if o.Reader {
		s.openToRead()
	} else {
		lock := &stateLock{}
		defer lock.Close()
		s.takeState(ctx, lock)
		go s.watch(ctx, lock)
	}
	server := &http.Server{Handler: s.handler(), BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for name, method := range s.methods() {
		mux.HandleFunc("POST /v1/"+name, func(w http.ResponseWriter, r *http.Request) {
			s.quiet.enter()
			defer s.quiet.leave()
			if got := r.Header.Get("Promote-Protocol"); got != fmt.Sprint(Protocol) && name != "info" {
				newAnswer(w).end(nil, &Error{
					Message: fmt.Sprintf("the agent of %s is promote %s, which speaks another protocol (%d) than this one (%s)", s.options.Project, s.options.Version, Protocol, got),
					Hint:    "use promote " + s.options.Version + " until its promotion is over",
					Outcome: promotion.Locked,
				})
				return
			}
			a := newAnswer(w)
			if problem := s.trouble(); problem != nil && !s.options.Reader && name != "info" && name != "leave" {
				a.end(nil, problem)
				return
			}
			result, err := method(r.Context(), json.NewDecoder(r.Body), a)
			a.end(result, err)
		})
	}
	return mux
}

// method is one call: it decodes its request, may send events, and returns the result.
type method func(ctx context.Context, in *json.Decoder, a *answer) (any, error)

// sweep removes the helper containers, and the rehearsal, that a killed predecessor left. The lock is held: nobody else has any.
func (s *Server) sweep(ctx context.Context) {
	left, err := s.engine.FindByLabel(ctx, LabelProject+"="+s.options.Project)
	if err != nil {
		return
	}
	for _, c := range left {
		if c.Labels[LabelRole] == "tool" {
			_ = s.engine.RemoveContainer(ctx, c.ID)
		}
	}
	_ = SweepRehearsal(ctx, s.engine, s.options.Project) // the next rehearsal tries again, and says so where it cannot
	_ = os.RemoveAll(rehearsalDir)
}

// takeUp loads what a predecessor left. A promotion that has touched the target goes on at once, without its driver. One that
// cannot be read is left as it is: nobody knows what it did.
func (s *Server) takeUp() error {
	if err := s.concludeLast(); err != nil {
		return err
	}
	left, err := s.store.Unfinished()
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range left {
		if entry.Err != nil {
			errs = append(errs, fmt.Errorf("promotion %s: %w", entry.ID, entry.Err))
			continue
		}
		r, err := s.load(entry.ID)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !r.runner.Begun() && !entry.State.RollingBack {
			r.close()
			continue
		}
		s.current = r
		phases := r.asked()
		errs = append(errs, r.start(func(ctx context.Context) (promotion.Outcome, error) {
			outcome, err := r.runner.Resume(ctx, phases)
			s.conclude(ctx, r, outcome, err)
			return outcome, err
		}))
		break
	}
	return errors.Join(errs...)
}

// concludeLast does what follows the last outcome when a predecessor died between the two.
func (s *Server) concludeLast() error {
	list, err := s.store.List()
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Err != nil || e.State.Outcome == "" {
			continue
		}
		folder, err := s.store.Folder(e.ID)
		if err != nil {
			return err
		}
		if _, err := os.Stat(folder.Result()); err == nil {
			return nil
		}
		r, err := s.load(e.ID)
		if err != nil {
			return nil //nolint:nilerr // its restore point is gone: there is nothing left to conclude
		}
		defer r.close()
		s.conclude(context.Background(), r, e.State.Outcome, nil)
		return nil
	}
	return nil
}

// watch does what the agent does by itself, and tries again to use a state volume that could not be used.
func (s *Server) watch(ctx context.Context, lock *stateLock) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n%10 == 0 && s.trouble() != nil {
				s.takeState(ctx, lock)
			}
			s.look(ctx)
		}
	}
}

// look does the next move.
func (s *Server) look(ctx context.Context) {
	s.mu.Lock()
	r, now := s.current, situation{Problem: s.problem != nil, Leaving: s.leaving, Patience: s.options.Patience}
	s.mu.Unlock()
	now.Quiet = s.quiet.long()
	if now.Problem {
		now.Bound = s.bound(ctx)
	}
	if r != nil {
		now.Open, now.Over, now.Begun, now.Deadline = true, r.over(), r.runner.Begun(), r.plan.Policy.PhaseDeadline.Time()
		now.Rested, now.Idle = r.idle()
	}
	switch now.next() {
	case leave:
		s.leave(ctx)
	case abandon:
		if !r.stop(fmt.Errorf("%w: %s", promote.ErrCancelled, vanished)) {
			_ = r.runner.Abandon(promotion.Canceled, vanished)
			s.conclude(ctx, r, promotion.Canceled, nil)
		}
	case goBack:
		_ = r.start(func(ctx context.Context) (promotion.Outcome, error) {
			outcome, err := r.runner.Back(ctx, fmt.Sprintf("left between two phases for more than %s", now.Deadline), promote.RollbackOptions{}, false)
			s.conclude(ctx, r, outcome, err)
			return outcome, err
		})
	case stay:
	}
}

// vanished is why a promotion is cancelled that nobody carries on.
const vanished = "the driver vanished before anything was touched"

// leave removes the own container, which also ends this process. The lock goes with it.
func (s *Server) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	s.mu.Lock()
	if s.current != nil {
		s.current.close()
		s.current = nil
	}
	s.mu.Unlock()
	_ = s.engine.SetRestartPolicy(ctx, s.self, "no")
	_ = s.engine.RemoveContainer(ctx, s.self)
	s.stop()
}

// open returns the promotion with that id, loading it when no other is under way.
func (s *Server) open(id string) (*running, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.id == id {
		return s.current, nil
	}
	if s.current != nil {
		if !s.current.over() && s.current.runner.Begun() {
			return nil, &Error{Message: fmt.Sprintf("promotion %s is under way (%s)", s.current.id, s.current.journal.State().Phase), Outcome: promotion.Locked}
		}
		if _, idle := s.current.idle(); !idle {
			return nil, ErrBusy
		}
		s.current.close()
		s.current = nil
	}
	r, err := s.load(id)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &Error{
			Message: fmt.Sprintf("the restore point of promotion %s is not there any more", id), Hint: "promote restore brings back a backup: promote backups lists them", Outcome: promotion.Refused,
		}
	}
	if errors.Is(err, journal.ErrUnknown) {
		return nil, &Error{Message: fmt.Sprintf("no promotion %s at the target", id), Hint: "promote history lists them", Outcome: promotion.Refused}
	}
	if err != nil {
		return nil, err
	}
	s.current = r
	return r, nil
}
