package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"
)

// The variables of the runner that say where the API is and which repository is meant.
const (
	apiURL     = "GITHUB_API_URL"
	repository = "GITHUB_REPOSITORY"
)

const callTimeout = 2 * time.Minute // with its waits

// GitHub talks to the API for one repository.
type GitHub struct {
	client      *github.Client
	patient     *patient
	owner, repo string
	login       string // of the token, once it was asked for
}

// OpenGitHub makes a client of the runner's variables and a token. Next is the transport below the retries; nil is the
// default one.
func OpenGitHub(getenv func(string) string, token string, next http.RoundTripper) (*GitHub, error) {
	owner, repo, ok := strings.Cut(getenv(repository), "/")
	if !ok || owner == "" || repo == "" || strings.Contains(repo, "/") {
		return nil, &Error{To: "github", What: fmt.Sprintf("%s is %q, not owner/name", repository, getenv(repository)), Advice: "this works in a job of GitHub Actions; elsewhere set GITHUB_REPOSITORY"}
	}
	if token == "" {
		return nil, &Error{To: "github", What: "there is no token", Advice: "give the input github-token, whose default is ${{ github.token }}"}
	}
	base, err := url.Parse(strings.TrimRight(cmp.Or(getenv(apiURL), "https://api.github.com"), "/") + "/")
	if err != nil || base.Host == "" {
		return nil, &Error{To: "github", What: apiURL + " is not an address"}
	}
	if next == nil {
		next = http.DefaultTransport
	}
	p := newPatient(next)
	client := github.NewClient(&http.Client{Transport: p, Timeout: callTimeout}).WithAuthToken(token)
	client.BaseURL = base
	return &GitHub{client: client, patient: p, owner: owner, repo: repo}, nil
}

// problem turns an error of the API into one that says what to do. Permission is the one that the call needs.
func problem(what, permission string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{To: "github", What: what, Err: err}
	var said *github.ErrorResponse
	var limit *github.RateLimitError
	var abuse *github.AbuseRateLimitError
	switch {
	case errors.As(err, &limit):
		e.Advice = "the hourly limit of the token is used up until " + limit.Rate.Reset.UTC().Format(time.TimeOnly) + " UTC"
	case errors.As(err, &abuse):
		e.Advice = "too many requests at once; run the step again later"
	case errors.As(err, &said) && said.Response != nil:
		switch said.Response.StatusCode {
		case http.StatusUnauthorized:
			e.Advice = "the token is not valid (any more)"
		case http.StatusForbidden, http.StatusNotFound:
			e.Err = fmt.Errorf("%w: %w", ErrReadOnly, err)
			e.Advice = "give the job permissions: " + permission + "; the token of a pull request from a fork never has it"
		case http.StatusUnprocessableEntity:
			e.Advice = "the API did not take the content"
		}
	}
	return e
}

// failedInside reports whether the API broke, so that what was asked for may have been done.
func failedInside(err error) bool {
	var said *github.ErrorResponse
	return errors.As(err, &said) && said.Response != nil && said.Response.StatusCode >= 500
}

const actionsBot = "github-actions[bot]"

// author is the login under which the token writes: its user, or the bot of Actions, whose token has no user.
func (g *GitHub) author(ctx context.Context) (string, error) {
	if g.login != "" {
		return g.login, nil
	}
	user, _, err := g.client.Users.Get(ctx, "")
	var said *github.ErrorResponse
	switch {
	case err == nil:
		g.login = user.GetLogin()
	case errors.As(err, &said) && said.Response != nil && (said.Response.StatusCode == http.StatusForbidden || said.Response.StatusCode == http.StatusNotFound):
		g.login = actionsBot
	default:
		return "", problem("who the token belongs to", "contents: read", err)
	}
	return g.login, nil
}
