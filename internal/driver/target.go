package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
)

// ErrNeverPromoted means that a target has no state volume: nothing was ever promoted to it.
var ErrNeverPromoted = errors.New("nothing was ever promoted to it")

// held is the agent that may change an environment.
type held struct {
	*agent.Remote
	info agent.Info
	own  bool // started by this call, with nothing under way
}

// hold reaches the agent that may change an environment: the one that holds it, started where it stands still, or a new one.
// A new one takes up by itself what a killed predecessor left. Where nothing was ever promoted none is started, and the
// error is ErrNeverPromoted.
func (d *Driver) hold(ctx context.Context, env *Environment, id string) (*held, error) {
	if err := d.Prepare(ctx, env); err != nil {
		return nil, err
	}
	done := d.View.Wait("reach the agent of " + env.Name)
	defer done()
	for wait := time.Duration(0); ; wait += 250 * time.Millisecond {
		h, err := d.holdOnce(ctx, env, id)
		if err != nil {
			return nil, err
		}
		if h.own || h.info.Outcome == "" || wait > 20*time.Second {
			return h, nil
		}
		h.Close() // it is over and leaves by itself
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (d *Driver) holdOnce(ctx context.Context, env *Environment, id string) (*held, error) {
	h := &held{}
	c, err := env.Engine.Container(ctx, agent.Name(env.Compose.Project))
	stood := err == nil && c.State == "exited"
	h.Remote, err = agent.Join(ctx, env.Engine, env.Compose.Project)
	if errors.Is(err, agent.ErrNoAgent) {
		if h.Remote, h.own, err = d.start(ctx, env, id); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, refused(err)
	}
	if h.info, err = h.Info(ctx); err != nil {
		h.Close()
		return nil, refused(err)
	}
	if h.info.Problem != nil {
		h.leave()
		return nil, refused(h.info.Problem)
	}
	h.own = h.own || stood && h.info.Promotion == "" // it died before anything was touched
	return h, nil
}

// start starts a promoting agent. One that has taken up an unfinished promotion is not the caller's own.
func (d *Driver) start(ctx context.Context, env *Environment, id string) (*agent.Remote, bool, error) {
	_, err := env.Engine.Volume(ctx, agent.StateVolume(env.Compose.Project))
	if errors.Is(err, compose.ErrNotFound) {
		return nil, false, ErrNeverPromoted
	}
	if err != nil {
		return nil, false, refused(err)
	}
	r, err := agent.StartPromoter(ctx, env.Engine, env.Compose.Project, id, env.who)
	if err == nil {
		return r, true, nil
	}
	var locked *agent.LockedError
	if !errors.As(err, &locked) {
		return nil, false, refused(err)
	}
	r, joined := agent.Join(ctx, env.Engine, env.Compose.Project)
	if joined != nil {
		return nil, false, lockError(err)
	}
	return r, false, nil
}

// locked says who holds the environment.
func (h *held) locked(env *Environment) error {
	err := h.Locked(context.Background(), env.Compose.Project)
	if err == nil {
		err = &agent.LockedError{Project: env.Compose.Project, Info: h.info, Note: "it has just ended"}
	}
	return lockError(err)
}

// leave lets go of the agent.
func (h *held) leave() {
	h.Leave(context.Background())
	h.Close()
}

// told gives an error of an agent's call its outcome: what the agent says, or that it could not be asked.
func told(err error, environment string) error {
	var known *agent.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		outcome := known.Outcome
		if outcome == "" {
			outcome = promotion.Refused
		}
		return &Error{Outcome: outcome, Message: "nothing was touched", Err: err}
	case errors.Is(err, agent.ErrChannel):
		return &Error{Message: "the agent", Err: err, Advice: "what it does goes on by itself: promote status " + environment}
	}
	return err
}

// watch makes a call that changes the target and follows it to its end, also over a broken connection. The end of ctx does
// not end it: the target goes on by itself, so the caller may as well see how it ends.
func (d *Driver) watch(ctx context.Context, env *Environment, h *held, id, method string, request any) (promotion.Result, error) {
	p := &promoting{d: d, o: RunOptions{To: env.Name}, s: &sides{to: env, toAgent: h.Remote}, id: id}
	var res promotion.Result
	err := h.Call(ctx, method, request, &res, func(e promotion.Event) {
		if e.Seq > 0 {
			p.last = e.Seq
		}
		if (e.Type == promotion.StepProgress && e.Step == "") || (e.Type == promotion.Ended && e.Outcome == promotion.Running) {
			return // only a sign of life, or the end of an earlier call's phases
		}
		d.View.Event(e)
	})
	if errors.Is(err, agent.ErrChannel) {
		res, err = p.call(ctx, "follow", agent.RunRequest{ID: id, After: p.last})
		h.Remote = p.s.toAgent
	}
	return res, err
}

// unstoppable is a context that outlives ctx, for what has to be ended once it is begun; the end of ctx is told once.
func (d *Driver) unstoppable(ctx context.Context, words string) (context.Context, func()) {
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-ctx.Done():
			d.View.Note("warning", words)
		case <-watch.Done():
		}
	}()
	return watch, stop
}

func neverPromoted(name string) error {
	return &Error{Outcome: promotion.Refused, Message: name, Err: ErrNeverPromoted, Advice: fmt.Sprintf("promote plan --to %s shows what a promotion would do", name)}
}

// unreachable says which engine does not answer, and what to do about it.
func unreachable(name string, err error) error {
	var endpoint *compose.EndpointError
	if !errors.As(err, &endpoint) {
		return &Error{Outcome: promotion.Refused, Message: "environment " + name, Err: err}
	}
	host := endpoint.Host
	if host == "" {
		host = "the caller's endpoint"
	}
	cause := strings.ReplaceAll(endpoint.Err.Error(), "tcp://docker.invalid:2375", host) // a name that the engine's client needs and nobody knows
	return &Error{Outcome: promotion.Refused, Message: fmt.Sprintf("environment %s: engine at %s: %s", name, host, cause), Advice: endpoint.Hint}
}
