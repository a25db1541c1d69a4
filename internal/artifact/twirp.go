package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	servicePath = "/twirp/github.actions.results.api.v1.ArtifactService/"
	maxReply    = 16 << 20
	attempts    = 5
	firstWait   = 3 * time.Second
	perCall     = time.Minute
)

// serviceError is an answer of the service that says no.
type serviceError struct {
	status int
	code   string // of Twirp
	msg    string
}

func (e *serviceError) Error() string {
	text := strconv.Itoa(e.status)
	if e.code != "" {
		text += " " + e.code
	}
	if e.msg != "" {
		text += ": " + e.msg
	}
	return text
}

// kind is the error of this package that an answer stands for.
func (e *serviceError) kind() error {
	switch {
	case strings.Contains(e.msg, "insufficient usage"), e.status == http.StatusRequestEntityTooLarge:
		return ErrQuota
	case e.status == http.StatusConflict || e.code == "already_exists":
		return ErrTaken
	case e.status == http.StatusNotFound || e.code == "not_found":
		return ErrNotFound
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		return ErrRights
	}
	return nil
}

// call asks the service, again where the answer says that it may be asked again. Retried is true when an earlier try may
// have been carried out although its answer was lost.
func (c *Client) call(ctx context.Context, method string, in, out any) (retried bool, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return false, err
	}
	for n := 0; ; n++ {
		err := c.try(ctx, method, body, out)
		var said *serviceError
		switch {
		case err == nil:
			return retried, nil
		case ctx.Err() != nil:
			return retried, context.Cause(ctx)
		case errors.As(err, &said) && said.kind() != nil:
			return retried, fmt.Errorf("artifact: %s: %w: %w", method, said.kind(), err)
		case n == attempts-1 || errors.As(err, &said) && !again(said.status):
			return retried, fmt.Errorf("artifact: %s: %w", method, err)
		}
		retried = true
		if err := c.wait(ctx, backoff(n)); err != nil {
			return retried, err
		}
	}
}

func again(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// backoff is 3 s, then at random between 3·1.5ⁿ and 3·1.5ⁿ⁺¹ s, as the service's other clients wait.
func backoff(n int) time.Duration {
	if n == 0 {
		return firstWait
	}
	low := float64(firstWait)
	for range n {
		low *= 1.5
	}
	return time.Duration(low + rand.Float64()*low/2)
}

func (c *Client) try(ctx context.Context, method string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+servicePath+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		said := &serviceError{status: resp.StatusCode}
		var twirp struct{ Code, Msg string }
		if json.Unmarshal(text, &twirp) == nil {
			said.code, said.msg = twirp.Code, twirp.Msg
		}
		return said
	}
	normal, err := snake(text)
	if err != nil {
		return fmt.Errorf("answer of the service: %w", err)
	}
	if err := json.Unmarshal(normal, out); err != nil {
		return fmt.Errorf("answer of the service: %w", err)
	}
	return nil
}

// snake rewrites the names of an answer from camelCase, which Gitea and act use, to GitHub's snake_case.
func snake(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(snakeValue(v))
}

func snakeValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[snakeName(key)] = snakeValue(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = snakeValue(v[i])
		}
	}
	return v
}

func snakeName(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			if b.Len() > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// number is an int64, which the service writes as a string.
type number int64

func (n *number) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*n = number(v)
	return err
}

func (n number) MarshalJSON() ([]byte, error) {
	return json.Marshal(strconv.FormatInt(int64(n), 10))
}

type ids struct {
	Run string `json:"workflow_run_backend_id"`
	Job string `json:"workflow_job_run_backend_id"`
}

type createRequest struct {
	ids
	Name    string     `json:"name"`
	Version int        `json:"version"`
	Expires *time.Time `json:"expires_at,omitempty"`
	MIME    string     `json:"mime_type,omitempty"`
}

type createReply struct {
	OK  bool   `json:"ok"`
	URL string `json:"signed_upload_url"`
}

type finalizeRequest struct {
	ids
	Name string `json:"name"`
	Size number `json:"size"`
	Hash string `json:"hash"`
}

type finalizeReply struct {
	OK bool   `json:"ok"`
	ID number `json:"artifact_id"`
}

type listRequest struct {
	ids
	Name string `json:"name_filter,omitempty"`
}

type listReply struct {
	Artifacts []struct {
		ids
		ID      number    `json:"database_id"`
		Name    string    `json:"name"`
		Size    number    `json:"size"`
		Created time.Time `json:"created_at"`
		Digest  string    `json:"digest"`
	} `json:"artifacts"`
}

type namedRequest struct {
	ids
	Name string `json:"name"`
}

type signedReply struct {
	URL string `json:"signed_url"`
}

type deleteReply struct {
	OK bool `json:"ok"`
}
