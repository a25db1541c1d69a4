package e2e

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// line is the way to the engine's socket that the program and its agents take; it can be cut and held up.
type line struct {
	to       string // path of the engine's socket
	listener *net.UnixListener

	mu    sync.Mutex
	open  map[*net.UnixConn]bool
	down  time.Time // no connection is made before
	stall time.Time // nothing passes before
}

// newLine listens at path until the test ends.
func newLine(t *testing.T, path, to string) *line {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	n := &line{to: to, listener: l, open: map[*net.UnixConn]bool{}}
	go n.serve()
	t.Cleanup(func() {
		_ = l.Close()
		n.cut(0)
	})
	return n
}

func (n *line) serve() {
	for {
		c, err := n.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go n.carry(c)
		}
	}
}

func (n *line) carry(c *net.UnixConn) {
	defer c.Close()
	n.mu.Lock()
	down := time.Now().Before(n.down)
	n.mu.Unlock()
	if down {
		return
	}
	e, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: n.to, Net: "unix"})
	if err != nil {
		return
	}
	defer e.Close()
	n.keep(c, true)
	n.keep(e, true)
	defer n.keep(c, false)
	defer n.keep(e, false)
	var wg sync.WaitGroup
	wg.Go(func() { n.pass(e, c) })
	wg.Go(func() { n.pass(c, e) })
	wg.Wait()
}

func (n *line) keep(c *net.UnixConn, open bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if open {
		n.open[c] = true
	} else {
		delete(n.open, c)
	}
}

func (n *line) pass(to, from *net.UnixConn) {
	buf := make([]byte, 32<<10)
	for {
		count, err := from.Read(buf)
		n.mu.Lock()
		wait := time.Until(n.stall)
		n.mu.Unlock()
		time.Sleep(wait)
		if count > 0 {
			if _, werr := to.Write(buf[:count]); werr != nil {
				_ = from.Close()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// cut closes every connection, and makes none for a while.
func (n *line) cut(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = time.Now().Add(d)
	for c := range n.open {
		_ = c.Close()
	}
}

// hold lets nothing pass for a while.
func (n *line) hold(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stall = time.Now().Add(d)
}
