package notify

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	apiTries   = 4
	maxWait    = 90 * time.Second // a limit that lasts longer is an error now
	maxKept    = 4 << 20          // bytes of an answer that is read again
	maxEntries = 64
)

// patient sends a request again where the answer says when: 429 and the secondary limits, and 5xx of what may be sent
// twice. Lists that were read before are asked for by their ETag.
type patient struct {
	next http.RoundTripper
	wait func(context.Context, time.Duration) error
	now  func() time.Time

	mu    sync.Mutex
	known map[string]kept
}

type kept struct {
	etag   string
	header http.Header
	body   []byte
}

func newPatient(next http.RoundTripper) *patient {
	return &patient{next: next, wait: sleep, now: time.Now, known: map[string]kept{}}
}

func (p *patient) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	for n := 1; ; n++ {
		resp, err := p.once(req, body)
		again, wait := p.again(req, resp, err, n)
		if !again || n == apiTries || wait > maxWait {
			return resp, err
		}
		if resp != nil {
			_ = resp.Body.Close()
		}
		if err := p.wait(req.Context(), wait); err != nil {
			return nil, err
		}
	}
}

func (p *patient) once(req *http.Request, body []byte) (*http.Response, error) {
	try := req.Clone(req.Context())
	if body != nil {
		try.Body = io.NopCloser(bytes.NewReader(body))
	}
	key := req.URL.String()
	p.mu.Lock()
	before, known := p.known[key]
	p.mu.Unlock()
	if known && req.Method == http.MethodGet {
		try.Header.Set("If-None-Match", before.etag)
	}
	resp, err := p.next.RoundTrip(try)
	if err != nil || req.Method != http.MethodGet {
		return resp, err
	}
	switch {
	case resp.StatusCode == http.StatusNotModified && known:
		_ = resp.Body.Close()
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
		for _, h := range []string{"Link", "Content-Type"} {
			resp.Header[h] = before.header[h]
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(before.body)), int64(len(before.body))
	case resp.StatusCode == http.StatusOK && resp.Header.Get("ETag") != "":
		err = p.keep(key, resp)
	}
	return resp, err
}

func (p *patient) keep(key string, resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxKept))
	if err != nil {
		_ = resp.Body.Close()
		return err
	}
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), rest), rest}
	if len(text) < maxKept {
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.known) < maxEntries {
			p.known[key] = kept{resp.Header.Get("ETag"), resp.Header.Clone(), text}
		}
	}
	return nil
}

// again decides whether to send once more, and after what time.
func (p *patient) again(req *http.Request, resp *http.Response, err error, n int) (bool, time.Duration) {
	wait := time.Second << n
	if req.Context().Err() != nil {
		return false, 0
	}
	if err != nil { // whether it arrived is not known
		return req.Method == http.MethodGet, wait
	}
	if after, ok := p.retryAfter(resp); ok {
		wait = after
	}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return true, wait
	case resp.StatusCode == http.StatusForbidden:
		return resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0" || secondary(resp), wait
	case resp.StatusCode >= 500:
		return req.Method != http.MethodPost, wait // a second POST could be a second comment
	}
	return false, 0
}

// retryAfter is what the answer says: Retry-After in seconds or as a date, else the reset of a limit that is used up.
func (p *patient) retryAfter(resp *http.Response) (time.Duration, bool) {
	if text := resp.Header.Get("Retry-After"); text != "" {
		if seconds, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && seconds >= 0 {
			return time.Duration(seconds) * time.Second, true
		}
		if at, err := http.ParseTime(text); err == nil {
			return max(0, at.Sub(p.now())), true
		}
	}
	if resp.Header.Get("X-RateLimit-Remaining") == "0" {
		if at, err := strconv.ParseInt(resp.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
			return max(0, time.Unix(at, 0).Sub(p.now())), true
		}
	}
	return 0, false
}

// secondary reports whether a 403 is one of the limits that GitHub tells only in the text.
func secondary(resp *http.Response) bool {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), rest), rest}
	return bytes.Contains(text, []byte("secondary rate limit")) || bytes.Contains(text, []byte("abuse detection"))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
