package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/promotion"
)

// mutate hands the rest of the phases to the agent and watches. What happens to this process from here on changes nothing
// of the outcome, except that a cancellation is passed on.
func (p *promoting) mutate(ctx context.Context, phases []promotion.Phase) (promotion.Result, error) {
	if ctx.Err() != nil {
		return promotion.Result{}, p.cancelled(ctx, nil)
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		select {
		case <-ctx.Done():
			p.d.View.Note("warning", "cancelled: telling the agent to roll back")
			if err := p.cancel(watch); err != nil {
				p.d.View.Note("error", "the agent could not be told: "+err.Error()+"; it goes on by itself: promote status "+p.o.To)
			}
		case <-watch.Done():
		}
	}()
	res, err := p.call(watch, "run", agent.RunRequest{ID: p.id, Phases: phases})
	var known *Error
	if err != nil && !errors.As(err, &known) {
		err = &Error{Message: "the agent", Err: err, Advice: "what it does goes on by itself: promote status " + p.o.To}
	}
	return p.complete(res), err
}

// follow joins a promotion that is under way and watches it to its end.
func (p *promoting) follow(ctx context.Context) (promotion.Result, error) {
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go func() {
		select {
		case <-ctx.Done():
			_ = p.cancel(watch)
		case <-watch.Done():
		}
	}()
	res, err := p.call(watch, "follow", agent.RunRequest{ID: p.id})
	return p.complete(res), err
}

func (p *promoting) cancel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return p.s.toAgent.Call(ctx, "cancel", agent.RollbackRequest{ID: p.id, By: p.d.By}, nil, nil)
}

// call makes a streamed call and keeps it up: when the connection breaks it comes back and goes on after the last event
// that was seen.
func (p *promoting) call(ctx context.Context, method string, req agent.RunRequest) (promotion.Result, error) {
	var res promotion.Result
	onEvent := func(e promotion.Event) {
		if e.Seq > 0 {
			p.last = e.Seq
		}
		switch {
		case e.Type == promotion.Asked && e.Ask != nil:
			go p.answer(ctx, *e.Ask)
		case e.Type == promotion.StepProgress && e.Step == "": // only a sign of life
		case e.Type == promotion.Ended && e.Outcome == promotion.Running: // of the asked phases: more are to come
		case e.Phase == promotion.Backup && (e.Type == promotion.PhaseStarted || e.Type == promotion.PhaseEnded): // the driver has a part in it
		default:
			p.d.View.Event(e)
		}
	}
	err := p.s.toAgent.Call(ctx, method, req, &res, onEvent)
	for try := 0; errors.Is(err, agent.ErrChannel) && ctx.Err() == nil && try < 60; try++ {
		if try == 0 {
			p.d.View.Note("warning", "lost the connection to the agent; it goes on by itself, reconnecting")
		}
		select {
		case <-ctx.Done():
			return res, context.Cause(ctx)
		case <-time.After(time.Second):
		}
		remote, jerr := agent.Join(ctx, p.s.to.Engine, p.s.to.Compose.Project)
		if errors.Is(jerr, agent.ErrNoAgent) {
			return p.afterwards(ctx)
		}
		if jerr != nil {
			err = fmt.Errorf("%w: %w", agent.ErrChannel, jerr)
			continue
		}
		switch info, ierr := remote.Info(ctx); {
		case ierr != nil:
			remote.Close()
			err = fmt.Errorf("%w: %w", agent.ErrChannel, ierr)
			continue
		case info.Problem != nil:
			remote.Close()
			err = fmt.Errorf("%w: %w", agent.ErrChannel, info.Problem)
			continue
		case info.Promotion != p.id: // it is somebody else's by now
			remote.Close()
			return p.afterwards(ctx)
		}
		p.s.toAgent.Close()
		p.s.toAgent = remote
		err = remote.Call(ctx, "follow", agent.RunRequest{ID: p.id, After: p.last}, &res, onEvent)
	}
	return res, err
}

// answer runs a command of the project that the agent asked for.
func (p *promoting) answer(ctx context.Context, ask promotion.Ask) {
	if limit := ask.Timeout.Time(); limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	got := agent.Answer{ID: p.id, Ask: ask.ID}
	var err error
	got.Code, got.Output, err = commander{}.Command(ctx, check.Command{Args: ask.Args, Dir: ask.Dir})
	if err != nil {
		got.Error = err.Error()
	}
	if err := p.s.toAgent.Call(ctx, "answer", got, nil, nil); err != nil {
		p.d.View.Note("warning", "the agent did not get the result of a command: "+err.Error())
	}
}

// afterwards reads how a promotion ended whose agent is gone.
func (p *promoting) afterwards(ctx context.Context) (promotion.Result, error) {
	var res promotion.Result
	r, err := p.d.Reader(ctx, p.s.to)
	if err != nil {
		return res, err
	}
	defer r.Close()
	if err := r.Call(ctx, "result", agent.RunRequest{ID: p.id}, &res, nil); err != nil {
		return res, err
	}
	if res.Outcome != promotion.Running {
		return res, nil
	}
	outcome := promotion.Refused
	if slices.ContainsFunc(res.Phases, func(ph promotion.PhaseResult) bool { return ph.Phase.Mutates() && !ph.Started.IsZero() }) {
		outcome = promotion.RollbackFailed
	}
	return res, &Error{Outcome: outcome, Message: fmt.Sprintf("the agent is gone, and promotion %s is not over", p.id), Advice: "promote recover --to " + p.o.To + " finishes or undoes it"}
}
