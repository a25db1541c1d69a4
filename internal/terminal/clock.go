package terminal

import (
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// clock tells how long ago something happened at a target whose clock may differ, also when its events are heard late because
// a caller came back: the event heard fastest shows the difference of the clocks best.
type clock struct {
	now   func() time.Time
	known bool
	ahead time.Duration // what the local clock shows more than the target's, delay of the news included
}

// hear takes an event into account. Events of the driver itself have the local time.
func (c *clock) hear(e promotion.Event) {
	if e.Seq == 0 || e.Time.IsZero() {
		return
	}
	if d := c.now().Sub(e.Time); !c.known || d < c.ahead {
		c.known, c.ahead = true, d
	}
}

// local is the local time of an event.
func (c *clock) local(e promotion.Event) time.Time {
	switch {
	case e.Time.IsZero():
		return c.now()
	case e.Seq == 0:
		return e.Time
	default:
		return e.Time.Add(c.ahead)
	}
}
