package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// Dialer opens one stream to an agent.
type Dialer func(ctx context.Context) (io.ReadWriteCloser, error)

// Client is the driver's end of the channel.
type Client struct {
	http *http.Client
}

// NewClient makes a client over dial. Connections are kept and reused: opening one takes a tenth of a second and more.
func NewClient(dial Dialer) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			stream, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return &conn{ReadWriteCloser: stream}, nil
		},
		MaxIdleConns:    4,
		IdleConnTimeout: time.Minute,
	}
	return &Client{http: &http.Client{Transport: transport}}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// ErrChannel means that the channel broke before the answer was complete; what the agent does goes on.
var ErrChannel = errors.New("lost the connection to the agent")

// Call sends in to a method of the agent, passes the events of the answer to onEvent, and reads the result into out. An
// error that the agent reports is an *Error; a broken stream is ErrChannel.
func (c *Client) Call(ctx context.Context, method string, in, out any, onEvent func(promotion.Event)) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/v1/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Promote-Protocol", fmt.Sprint(Protocol))
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", ErrChannel, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return &Error{Message: fmt.Sprintf("agent: %s: %s", resp.Status, bytes.TrimSpace(text))}
	}
	reader := bufio.NewReaderSize(resp.Body, 64<<10)
	for {
		text, err := reader.ReadBytes('\n')
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%w: %w", ErrChannel, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return fmt.Errorf("%w: %w", ErrChannel, err)
		}
		switch {
		case l.Event != nil:
			if onEvent != nil {
				onEvent(*l.Event)
			}
		case l.Error != nil:
			return l.Error
		default:
			if out == nil || len(l.Result) == 0 {
				return nil
			}
			return json.Unmarshal(l.Result, out)
		}
	}
}

// conn makes a stream a net.Conn without addresses and deadlines: the calls have contexts.
type conn struct{ io.ReadWriteCloser }

type nowhere struct{}

func (nowhere) Network() string { return "exec" }
func (nowhere) String() string  { return "agent" }

func (*conn) LocalAddr() net.Addr              { return nowhere{} }
func (*conn) RemoteAddr() net.Addr             { return nowhere{} }
func (*conn) SetDeadline(time.Time) error      { return nil }
func (*conn) SetReadDeadline(time.Time) error  { return nil }
func (*conn) SetWriteDeadline(time.Time) error { return nil }

// Bridge connects a stream to the agent's socket: what `promote agent connect` does inside the agent's container. It waits
// a little for the socket, since the agent may just be starting.
func Bridge(ctx context.Context, socket string, in io.Reader, out io.Writer) error {
	var c net.Conn
	var err error
	for end := time.Now().Add(10 * time.Second); ; {
		if c, err = net.Dial("unix", socket); err == nil {
			break
		}
		if time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	defer c.Close()
	done := make(chan error, 2)
	go func() {
		_, err := io.Copy(c, in)
		if u, ok := c.(*net.UnixConn); ok {
			_ = u.CloseWrite()
		}
		done <- err
	}()
	go func() {
		_, err := io.Copy(out, c)
		done <- err
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
	}
	return err
}

// answer streams events and one result to the driver.
type answer struct {
	w       http.ResponseWriter
	flusher http.Flusher
	buf     *json.Encoder
}

func newAnswer(w http.ResponseWriter) *answer {
	w.Header().Set("Content-Type", "application/x-ndjson")
	f, _ := w.(http.Flusher)
	return &answer{w: w, flusher: f, buf: json.NewEncoder(w)}
}

func (a *answer) send(l line) error {
	if err := a.buf.Encode(l); err != nil {
		return err
	}
	if a.flusher != nil {
		a.flusher.Flush()
	}
	return nil
}

func (a *answer) event(e promotion.Event) error { return a.send(line{Event: &e}) }

func (a *answer) end(result any, err error) {
	if err != nil {
		var known *Error
		if !errors.As(err, &known) {
			known = &Error{Message: err.Error()}
			var hint interface{ Hint() string }
			if errors.As(err, &hint) {
				known.Hint = hint.Hint()
			}
		}
		_ = a.send(line{Error: known})
		return
	}
	data, err := json.Marshal(result)
	if err != nil {
		_ = a.send(line{Error: &Error{Message: err.Error()}})
		return
	}
	_ = a.send(line{Result: data})
}
