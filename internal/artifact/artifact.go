// Package artifact keeps files as workflow artifacts: the v4 protocol of the runner's result service, without Node. An
// upload is a stream that is never whole on a disk or in memory, and counts only when the service holds the bytes that
// were sent.
package artifact

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The variables that the runner gives to a step that may keep artifacts.
const (
	ResultsURL   = "ACTIONS_RESULTS_URL"
	RuntimeToken = "ACTIONS_RUNTIME_TOKEN"
)

// Errors that a caller can tell apart; each comes with a hint (Hint).
var (
	ErrNoService = errors.New("no artifact service: ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN are not set")
	ErrTaken     = errors.New("an artifact of that name exists in this run already")
	ErrQuota     = errors.New("the storage for artifacts is used up")
	ErrNotFound  = errors.New("there is no such artifact")
	ErrDigest    = errors.New("the artifact is not what was uploaded")
	ErrExpired   = errors.New("the address of the artifact is no longer valid")
	ErrStalled   = errors.New("the transfer stands still")
	ErrRights    = errors.New("the token may not do this")
)

// Hint is what a person can do about err, or "".
func Hint(err error) string {
	for _, h := range []struct {
		err  error
		hint string
	}{
		{ErrNoService, "artifacts exist only inside a job of GitHub Actions or a compatible runner; outside, take the backup from its folder"},
		{ErrTaken, "artifacts cannot be changed; take a name with the promotion's id and the attempt in it"},
		{ErrQuota, "delete old artifacts or shorten retention-days; usage is counted anew every 6 to 12 hours"},
		{ErrNotFound, "list what the run has: gh run view RUN_ID; an artifact may also have expired"},
		{ErrDigest, "nothing was restored; take another backup (promote backups), the artifact was damaged on its way or changed"},
		{ErrExpired, "run the step again: a new address is asked for"},
		{ErrStalled, "run the step again; check the runner's network and proxy"},
		{ErrRights, "give the job permissions: actions: read (another run's artifacts), and check github-token"},
	} {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}

// Client talks to the artifact service of one run.
type Client struct {
	base  string // scheme and host
	token string
	run   string // workflow_run_backend_id
	job   string // workflow_job_run_backend_id
	http  *http.Client

	wait    func(context.Context, time.Duration) error
	stall   time.Duration // how long a block may go without an answer
	secrets func(string)  // called with each signed address before it is used
	now     func() time.Time
}

// Option changes a Client.
type Option func(*Client)

// Secrets has f called with every value that must not be shown, before it is used.
func Secrets(f func(string)) Option { return func(c *Client) { c.secrets = f } }

// HTTP replaces the client for requests.
func HTTP(h *http.Client) Option { return func(c *Client) { c.http = h } }

// Open makes a Client of the variables that the runner set. Without them the error is ErrNoService.
func Open(lookup func(string) (string, bool), options ...Option) (*Client, error) {
	address, _ := lookup(ResultsURL)
	token, _ := lookup(RuntimeToken)
	if address == "" || token == "" {
		return nil, fmt.Errorf("artifact: %w", ErrNoService)
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("artifact: %s is not the address of a service", ResultsURL)
	}
	c := &Client{
		base: u.Scheme + "://" + u.Host, token: token, http: &http.Client{Transport: http.DefaultTransport}, wait: sleep,
		stall: 5 * time.Minute, secrets: func(string) {}, now: time.Now,
	}
	for _, o := range options {
		o(c)
	}
	c.secrets(token)
	if c.run, c.job, err = backendIDs(token); err != nil {
		return nil, fmt.Errorf("artifact: %s: %w", RuntimeToken, err)
	}
	return c, nil
}

// backendIDs are the run and the job in the scope "Actions.Results:RUN:JOB" of the runtime token.
func backendIDs(token string) (run, job string, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", "", errors.New("is not a token that the runner gives")
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return "", "", errors.New("has no readable payload")
	}
	var claims struct {
		Scope string `json:"scp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", "", errors.New("has no readable payload")
	}
	for _, scope := range strings.Fields(claims.Scope) {
		if f := strings.Split(scope, ":"); len(f) == 3 && f[0] == "Actions.Results" && f[1] != "" && f[2] != "" {
			return f[1], f[2], nil
		}
	}
	return "", "", errors.New("has no scope Actions.Results: this job may not keep artifacts")
}

// maxName keeps names well below what file systems and tables of the service take, in bytes.
const maxName = 240

// CheckName says why name cannot be the name of an artifact, or nil.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("artifact: a name is needed")
	case !utf8.ValidString(name):
		return errors.New("artifact: the name is not UTF-8")
	case len(name) > maxName:
		return fmt.Errorf("artifact: the name has %d bytes; at most %d are taken", len(name), maxName)
	case strings.ContainsAny(name, "\":<>|*?\\/\r\n"):
		return fmt.Errorf("artifact: the name %q holds one of \" : < > | * ? \\ / or a line break", name)
	}
	return nil
}

// Artifact is one artifact of a run.
type Artifact struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Size    int64     `json:"size"`   // bytes as stored
	Digest  string    `json:"digest"` // sha256:… of the stored bytes; empty where the service does not keep one
	Created time.Time `json:"created,omitzero"`
	Zipped  bool      `json:"zipped,omitempty"` // stored as a zip with one entry

	run, job string // its own backend ids
}

// Link is the page of an artifact.
func Link(server, repository, run string, id int64) string {
	return strings.TrimRight(server, "/") + "/" + repository + "/actions/runs/" + run + "/artifacts/" + strconv.FormatInt(id, 10)
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
