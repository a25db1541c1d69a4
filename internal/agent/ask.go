package agent

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/promotion"
)

// Answer is what a command that the agent asked for came to.
type Answer struct {
	ID     string `json:"id"` // of the promotion
	Ask    int64  `json:"ask"`
	Code   int    `json:"code"`
	Output string `json:"output"`
	Error  string `json:"error,omitempty"` // why it could not be run
}

// asker has commands run by the driver: the project's files are there. Without a driver a command cannot be run, which is
// an error of the check and never a pass.
type asker struct {
	bus     *bus
	waiting func() int64 // calls of drivers under way

	mu   sync.Mutex
	next int64
	open map[int64]chan Answer
}

// ErrNoDriver means that nobody is there who could run a command of the project.
var ErrNoDriver = errors.New("only the driver can run this command, and it is gone")

// Command implements check.Commander.
func (a *asker) Command(ctx context.Context, c check.Command) (int, string, error) {
	a.mu.Lock()
	if a.open == nil {
		a.open = map[int64]chan Answer{}
	}
	a.next++
	id, answer := a.next, make(chan Answer, 1)
	a.open[id] = answer
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.open, id)
		a.mu.Unlock()
	}()
	ask := promotion.Ask{ID: id, Args: c.Args, Dir: c.Dir}
	if deadline, ok := ctx.Deadline(); ok {
		ask.Timeout = promotion.Milliseconds(time.Until(deadline))
	}
	a.bus.emit(promotion.Event{Type: promotion.Asked, Phase: promotion.Verify, Ask: &ask})
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for alone := 0; ; {
		select {
		case got := <-answer:
			if got.Error != "" {
				return 0, got.Output, errors.New(got.Error)
			}
			return got.Code, got.Output, nil
		case <-ctx.Done():
			return 0, "", context.Cause(ctx)
		case <-tick.C:
			if a.waiting() > 0 {
				alone = 0
			} else if alone++; alone > 10 {
				return 0, "", ErrNoDriver
			}
		}
	}
}

func (a *asker) take(got Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.open[got.Ask]; ok {
		select {
		case c <- got:
		default: // answered twice, by a driver that came back
		}
	}
}

func (s *Server) answered(_ context.Context, in *json.Decoder, _ *answer) (any, error) {
	got, err := decode[Answer](in)
	if err != nil {
		return nil, err
	}
	r, err := s.open(got.ID)
	if err != nil {
		return nil, err
	}
	r.asker.take(got)
	return nil, nil
}
