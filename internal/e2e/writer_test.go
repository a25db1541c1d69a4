package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/org/promote-action/internal/demo"
)

// writer orders in the shop all the time, each order with a number of its own, and remembers which ones were acknowledged.
// An order that was not is sent again, as a careful customer would.
type writer struct {
	env   demo.Environment
	first int64 // number
	stop  context.CancelFunc
	done  chan struct{}

	mu    sync.Mutex
	acked []time.Time // by number, from 1
	fails int
}

// Every writer has a million numbers of its own, from firstOrder on: seeded orders have none, or smaller ones.
const (
	firstOrder = 1_000_000_000
	mostOrders = 1_000_000
)

var writers atomic.Int64

func write(t *testing.T, env demo.Environment) *writer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &writer{env: env, first: firstOrder + mostOrders*writers.Add(1), stop: cancel, done: make(chan struct{})}
	t.Cleanup(w.end)
	go func() {
		defer close(w.done)
		w.run(ctx)
	}()
	return w
}

// mine is the SQL condition of the writer's orders.
func (w *writer) mine() string {
	return fmt.Sprintf("number >= %d AND number < %d", w.first, w.first+mostOrders)
}

// acknowledged are the moments at which the orders were acknowledged so far, by number.
func (w *writer) acknowledged() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.acked)
}

func (w *writer) end() {
	w.stop()
	<-w.done
}

func (w *writer) run(ctx context.Context) {
	client := &http.Client{Timeout: 5 * time.Second}
	url := ""
	for n := int64(0); ctx.Err() == nil; {
		if url == "" {
			url, _ = w.env.URL(ctx, world.engine, "orders") // none while it is down
		}
		if url != "" && order(ctx, client, url, w.first+n) == nil {
			n++
			w.mu.Lock()
			w.acked = append(w.acked, time.Now())
			w.mu.Unlock()
		} else {
			url = ""
			w.mu.Lock()
			w.fails++
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func order(ctx context.Context, client *http.Client, url string, number int64) error {
	body := fmt.Appendf(nil, `{"number": %d, "product": 1, "customer": "e2e", "quantity": 1}`, number)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/orders", bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", res.Status)
	}
	var got struct {
		ID int64 `json:"id"`
	}
	return json.NewDecoder(res.Body).Decode(&got)
}

// check ends the writer and compares what was acknowledged with what is there: an order acknowledged before the moment must
// be there. It returns how many acknowledged later are not.
func (w *writer) check(t *testing.T, s *shop, before time.Time) (lost int) {
	t.Helper()
	w.end()
	there := map[string]bool{}
	for _, n := range s.sql(t, "SELECT number FROM orders WHERE "+w.mine()) {
		there[n] = true
	}
	early := 0
	for i, at := range w.acked {
		number := fmt.Sprint(w.first + int64(i))
		switch {
		case there[number]:
		case at.Before(before):
			early++
			t.Errorf("order %s was acknowledged at %s and is lost", number, at.Format("15:04:05.000"))
		default:
			lost++
		}
		if early > 5 {
			t.Fatal("and more")
		}
	}
	t.Logf("%d orders acknowledged, %d attempts failed, %d acknowledged by the release that was taken back are gone", len(w.acked), w.fails, lost)
	if len(w.acked) == 0 {
		t.Error("no order was acknowledged: nothing is shown")
	}
	return lost
}
