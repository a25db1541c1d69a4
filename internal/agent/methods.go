package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
)

func (s *Server) methods() map[string]method {
	return map[string]method{
		"info":      s.info,
		"snapshot":  s.snapshot,
		"details":   s.details,
		"probes":    s.probes,
		"places":    s.places,
		"sample":    s.sample,
		"outlook":   s.outlook,
		"checks":    s.checks,
		"history":   s.history,
		"preflight": s.preflight,
		"measure":   s.measure,
		"schemas":   s.schemas,
		"rehearse":  s.rehearse,
		"checkout":  s.readCheckout,
		"begin":     s.begin,
		"given":     s.given,
		"forget":    s.forget,
		"plan":      s.storedPlan,
		"abandon":   s.abandon,
		"report":    s.report,
		"run":       s.run,
		"follow":    s.follow,
		"cancel":    s.cancel,
		"loss":      s.loss,
		"rollback":  s.rollback,
		"result":    s.result,
		"leave":     s.goodbye,
		"answer":    s.answered,
		"accept":    s.accept,
	}
}

func decode[T any](in *json.Decoder) (T, error) {
	var v T
	if err := in.Decode(&v); err != nil {
		return v, &Error{Message: "agent: request: " + err.Error()}
	}
	return v, nil
}

func (s *Server) info(context.Context, *json.Decoder, *answer) (any, error) {
	i := Info{Protocol: Protocol, Version: s.options.Version, Project: s.options.Project, Reader: s.options.Reader}
	s.mu.Lock()
	defer s.mu.Unlock()
	i.Problem = s.problem
	if r := s.current; r != nil {
		state := r.journal.State()
		i.Promotion, i.Phase, i.Outcome, i.By, i.Since = r.id, state.Phase, state.Outcome, r.by, r.since
		if n := len(state.Order); n > 0 {
			i.Step = state.Order[n-1]
		}
		_, i.Idle = r.idle()
	}
	return i, nil
}

func (s *Server) snapshot(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	spec, err := decode[Spec](in)
	if err != nil {
		return nil, err
	}
	return s.environment(spec).Read(ctx)
}

func (s *Server) checks(ctx context.Context, in *json.Decoder, a *answer) (any, error) {
	req, err := decode[CheckRequest](in)
	if err != nil {
		return nil, err
	}
	subject, err := s.environment(req.Spec).subject(ctx)
	if err != nil {
		return nil, err
	}
	return check.Run(ctx, check.Tests(subject), check.Options{Only: req.Only, OnResult: func(c promotion.Check) {
		_ = a.event(promotion.Event{Type: promotion.CheckEnded, Time: time.Now(), Check: &c, Status: c.Status})
	}})
}

func (s *Server) begin(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	b, err := decode[Begin](in)
	if err != nil {
		return nil, err
	}
	if !promotion.ValidID(b.ID) {
		return nil, &Error{Message: fmt.Sprintf("%q is not the id of a promotion", b.ID)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && !s.current.over() {
		return nil, &Error{Message: fmt.Sprintf("promotion %s is under way", s.current.id), Outcome: promotion.Locked}
	}
	if s.current != nil {
		s.current.close()
		s.current = nil
	}
	if err := s.supersede(b.ID); err != nil {
		return nil, err
	}
	r, err := s.create(b)
	if err != nil {
		return nil, err
	}
	s.current = r
	return s.account(r), nil
}

// supersede ends promotions that were begun, touched nothing, and were never carried on.
func (s *Server) supersede(by string) error {
	left, err := s.store.Unfinished()
	if err != nil {
		return err
	}
	for _, e := range left {
		r, err := s.load(e.ID)
		if err != nil {
			return fmt.Errorf("promotion %s: %w", e.ID, err)
		}
		if !r.runner.Begun() {
			if err := r.runner.Abandon(promotion.Canceled, "not carried on; superseded by "+by); err != nil {
				return err
			}
			s.conclude(context.Background(), r, promotion.Canceled, nil)
		}
		r.close()
	}
	return nil
}

func heldError(release string, hold journal.Hold) *Error {
	return &Error{
		Message: fmt.Sprintf("release %s is on hold since promotion %s: %s", release, hold.Promotion, hold.Reason),
		Hint:    "promote another release, or this one again with --release-hold",
		Outcome: promotion.Refused,
	}
}

func (s *Server) report(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	rep, err := decode[Report](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(rep.ID)
	if err != nil {
		return nil, err
	}
	return nil, r.runner.Record(rep.Phase, rep.Step, rep.Checks, rep.Took.Time(), rep.Failure)
}

// run starts phases, or joins them when they run already, and sends events until they end.
func (s *Server) run(ctx context.Context, in *json.Decoder, a *answer) (any, error) {
	req, err := decode[RunRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	if len(req.Phases) == 0 {
		return nil, &Error{Message: "no phase to run"}
	}
	if err := r.runner.Ready(req.Phases[0]); err != nil {
		return nil, &Error{Message: err.Error(), Outcome: promotion.Refused}
	}
	after := req.After
	if after == 0 {
		after = r.bus.last() // a new driver: what went before is not its story
	}
	mutates := false
	for _, p := range req.Phases {
		mutates = mutates || p.Mutates()
	}
	asked, _ := json.Marshal(req.Phases)
	if _, err := r.journal.Append(journal.Record{Type: journal.Note, Message: askedNote, Data: asked}); err != nil {
		return nil, err
	}
	if mutates {
		// From here on this agent is started again by the engine whenever it dies.
		if err := s.engine.SetRestartPolicy(ctx, s.self, "unless-stopped"); err != nil {
			return nil, fmt.Errorf("restart policy of the agent: %w", err)
		}
	}
	err = r.start(func(ctx context.Context) (promotion.Outcome, error) {
		outcome, err := r.runner.Run(ctx, req.Phases)
		s.conclude(ctx, r, outcome, err)
		return outcome, err
	})
	if err != nil && !errors.Is(err, ErrBusy) {
		return nil, err
	}
	return s.stream(ctx, r, after, a)
}

func (s *Server) follow(ctx context.Context, in *json.Decoder, a *answer) (any, error) {
	req, err := decode[RunRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	return s.stream(ctx, r, req.After, a)
}

// stream sends the events after seq until nothing runs any more, then the account.
func (s *Server) stream(ctx context.Context, r *running, after int64, a *answer) (any, error) {
	beat := time.NewTicker(5 * time.Second)
	defer beat.Stop()
	for {
		_, idle := r.idle()
		events, more := r.bus.since(after)
		for _, e := range events {
			if err := a.event(e); err != nil {
				return nil, err
			}
			after = e.Seq
		}
		if idle {
			return s.account(r), nil
		}
		select {
		case <-more:
		case <-beat.C: // a line, so that a dead connection is noticed
			if err := a.event(promotion.Event{Type: promotion.StepProgress, Time: time.Now()}); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Server) cancel(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	rep, err := decode[RollbackRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(rep.ID)
	if err != nil {
		return nil, err
	}
	if r.over() {
		return nil, nil
	}
	// The word is on the disk before it is passed on: an agent that is killed now still goes back.
	if _, err := r.journal.Append(journal.Record{Type: journal.Cancel, Message: "cancelled by " + rep.By}); err != nil {
		return nil, err
	}
	if r.stop(fmt.Errorf("%w by %s", promote.ErrCancelled, rep.By)) {
		return nil, nil
	}
	if !r.runner.Begun() {
		if err := r.runner.Abandon(promotion.Canceled, "cancelled by "+rep.By); err != nil {
			return nil, err
		}
		s.conclude(context.Background(), r, promotion.Canceled, nil)
		return nil, nil
	}
	return nil, r.start(func(ctx context.Context) (promotion.Outcome, error) {
		outcome, err := r.runner.Back(ctx, "cancelled by "+rep.By, promote.RollbackOptions{}, false)
		s.conclude(ctx, r, outcome, err)
		return outcome, err
	})
}

// abandon ends a promotion that has touched nothing; one that has is left as it is.
func (s *Server) abandon(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[AbandonRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	r.stop(fmt.Errorf("%w: %s", promote.ErrCancelled, req.Why))
	for _, idle := r.idle(); !idle; _, idle = r.idle() {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	if r.over() || r.runner.Begun() {
		return nil, nil
	}
	if err := r.runner.Abandon(req.Outcome, req.Why); err != nil {
		return nil, err
	}
	s.conclude(ctx, r, req.Outcome, nil)
	return nil, nil
}

func (s *Server) storedPlan(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[RunRequest](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	return r.plan, nil
}

func (s *Server) result(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[RunRequest](in)
	if err != nil {
		return nil, err
	}
	if s.options.Reader {
		return s.told(req.ID)
	}
	r, err := s.open(req.ID)
	if err != nil {
		return nil, err
	}
	return s.account(r), nil
}

// goodbye says that this driver has no more calls.
func (s *Server) goodbye(context.Context, *json.Decoder, *answer) (any, error) {
	s.mu.Lock()
	s.leaving = true
	store, problem := s.store, s.problem
	s.mu.Unlock()
	bye := Goodbye{Project: s.options.Project}
	if store != nil && problem == nil {
		empty, err := store.Empty()
		bye.Empty = empty && err == nil
	}
	return bye, nil
}
