package agent

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// bus numbers the events of one promotion and keeps them, so that a driver that comes back goes on where it was. All but
// progress is also in a file, which outlives the agent; the journal, not this file, is the record of what happened.
type bus struct {
	mu     sync.Mutex
	seq    int64
	events []promotion.Event
	file   *os.File
	wake   chan struct{}
}

// gap is left in the numbers after a restart, since progress events were numbered and not written.
const gap = 100_000

func openBus(path string) (*bus, error) {
	b := &bus{wake: make(chan struct{})}
	if old, err := os.Open(path); err == nil {
		lines := bufio.NewScanner(old)
		lines.Buffer(nil, 4<<20)
		for lines.Scan() {
			var e promotion.Event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				b.events, b.seq = append(b.events, e), e.Seq
			}
		}
		_ = old.Close()
		if b.seq > 0 {
			b.seq += gap
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	b.file = f
	return b, nil
}

func (b *bus) emit(e promotion.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq++
	e.Seq, e.Time = b.seq, time.Now().UTC()
	if e.Type == promotion.StepProgress && len(b.events) > 0 && b.events[len(b.events)-1].Type == promotion.StepProgress && b.events[len(b.events)-1].Step == e.Step {
		b.events[len(b.events)-1] = e // only the last word on a step's progress matters to somebody who was away
	} else {
		b.events = append(b.events, e)
	}
	if e.Type != promotion.StepProgress && b.file != nil {
		if data, err := json.Marshal(e); err == nil {
			_, _ = b.file.Write(append(data, '\n'))
		}
	}
	close(b.wake)
	b.wake = make(chan struct{})
}

// since returns the events after seq and a channel that closes when there are more.
func (b *bus) since(seq int64) ([]promotion.Event, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.events)
	for i > 0 && b.events[i-1].Seq > seq {
		i--
	}
	return append([]promotion.Event(nil), b.events[i:]...), b.wake
}

func (b *bus) last() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seq
}

func (b *bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file != nil {
		_ = b.file.Close()
		b.file = nil
	}
}
