package compose

import (
	"io"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"
)

// The Compose libraries report warnings through logrus' own logger and nowhere else. This is the one place that turns it
// from the terminal to whoever is listening.
var warned = &collector{}

type collector struct {
	once sync.Once
	mu   sync.Mutex
	to   map[int]func(string)
	next int
}

// listen hands every warning to fn until the returned function is called. fn must not block.
func (c *collector) listen(fn func(string)) (stop func()) {
	c.once.Do(func() {
		logrus.SetOutput(io.Discard)
		logrus.AddHook(c)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.to == nil {
		c.to = map[int]func(string){}
	}
	id := c.next
	c.next++
	c.to[id] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.to, id)
	}
}

// Levels implements logrus.Hook.
func (c *collector) Levels() []logrus.Level {
	return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel}
}

// Fire implements logrus.Hook.
func (c *collector) Fire(entry *logrus.Entry) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, fn := range c.to {
		fn(entry.Message)
	}
	return nil
}

// list collects warnings without repeating one.
func (c *collector) list() (stop func() []string) {
	var mu sync.Mutex
	var out []string
	off := c.listen(func(s string) {
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	})
	return func() []string {
		off()
		mu.Lock()
		defer mu.Unlock()
		return out
	}
}
