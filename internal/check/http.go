package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

const (
	bodyLimit     = 1 << 20
	redirectLimit = 3
)

var errRedirects = fmt.Errorf("more than %d redirects", redirectLimit)

// endpoint is one place to send requests to.
type endpoint struct {
	url   *url.URL
	host  string // Host header; empty: as in url
	dial  string // address that every connection goes to, whatever the URL says; empty: as in url
	agent string // version for the User-Agent

	header http.Header // further ones, such as a token
}

// response is the answer to a request.
type response struct {
	status   int
	location string // of a redirect that was not followed
	body     []byte // the first bodyLimit bytes
	took     time.Duration
}

func (r response) String() string {
	s := fmt.Sprintf("%d %s", r.status, http.StatusText(r.status))
	if r.location != "" {
		s += " to " + line(r.location, 100)
	}
	return strings.TrimSpace(s)
}

// at is the endpoint of a path at one replica: a URL with the service's name, dialled by the container's address.
func at(svc Service, c Container, port int, path, version string) (endpoint, error) {
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	ref, err := url.Parse(path)
	if err != nil || ref.Host != "" {
		return endpoint{}, fmt.Errorf("%q is no path", path)
	}
	address := net.JoinHostPort(c.IP, strconv.Itoa(port))
	ref.Scheme, ref.Host = "http", address
	return endpoint{url: ref, host: svc.host(), dial: address, agent: version}, nil
}

// get sends one request on a connection of its own and reads the answer. Redirects are followed within the same host
// only; any other one is the answer itself, and so are all of them when follow is false.
func get(ctx context.Context, e endpoint, follow bool) (response, error) {
	var dialer net.Dialer
	transport := &http.Transport{ // no proxy: what the environment of this program says is not the service's
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if e.dial != "" {
				address = e.dial
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if !follow || !e.same(next.URL) {
			return http.ErrUseLastResponse
		}
		if len(via) > redirectLimit {
			return errRedirects
		}
		if e.host != "" {
			next.Host = e.host
		}
		return nil
	}}

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url.String(), nil)
	if err != nil {
		return response{}, err
	}
	if e.host != "" {
		request.Host = e.host
	}
	version := e.agent
	if version == "" {
		version = "unknown"
	}
	request.Header.Set("User-Agent", "promote/"+version)
	request.Header.Set("Accept", "application/json, text/plain;q=0.9, text/html;q=0.8, */*;q=0.5")

	for name, values := range e.header {
		request.Header[http.CanonicalHeaderKey(name)] = values
	}
	began := time.Now()
	answer, err := client.Do(request)
	if err != nil {
		return response{}, plain(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, bodyLimit))
	r := response{status: answer.StatusCode, body: body, took: time.Since(began)}
	if answer.StatusCode >= 300 && answer.StatusCode < 400 {
		r.location = answer.Header.Get("Location")
	}
	if err != nil {
		return r, fmt.Errorf("answer broke off: %w", plain(err))
	}
	return r, nil
}

// same reports whether a redirect stays at the endpoint: its own address, or the name that the service was called by.
func (e endpoint) same(next *url.URL) bool {
	if next.Scheme != e.url.Scheme {
		return false
	}
	if next.Host == e.url.Host {
		return true
	}
	if e.host == "" {
		return false
	}
	name, _, err := net.SplitHostPort(e.host)
	if err != nil {
		name = e.host
	}
	// A service that knows its public address only by the Host header may leave the port out, never change it.
	return next.Hostname() == name && (next.Port() == "" || next.Port() == e.url.Port())
}

// plain takes off what repeats the request, and says in words that the time was up.
func plain(err error) error {
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	}
	return err
}

// accepted reports whether a status is the wanted one; 0 wants any of 200 to 399.
func accepted(status, want int) bool {
	if want != 0 {
		return status == want
	}
	return status >= 200 && status < 400
}

func wanted(status int) string {
	if status == 0 {
		return "200 to 399"
	}
	return strconv.Itoa(status)
}

// follows reports whether a wanted status lets redirects be followed.
func follows(want int) bool { return want < 300 || want > 399 }

// ask sends a request to one endpoint and judges its status; judge, when given, judges an answer that has it.
func ask(ctx context.Context, e endpoint, want int, judge func(response) promotion.Check) promotion.Check {
	r, err := get(ctx, e, follows(want))
	switch {
	case err != nil:
		return failed("%s: %s", shown(e.url), line(err.Error(), tailWidth))
	case !accepted(r.status, want):
		c := failed("%s: answered %s, expected %s", shown(e.url), r, wanted(want))
		c.Detail = tail(r.body)
		return c
	case judge != nil:
		return judge(r)
	default:
		return passed("%s: %s in %s", shown(e.url), r, short(r.took))
	}
}

// shown is a URL without credentials.
func shown(u *url.URL) string { return line(u.Redacted(), tailWidth) }

func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}
