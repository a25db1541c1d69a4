package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// api is GitHub's API as far as it is used here, as strict as the documentation: paths, methods, rights, limits, bodies.
type api struct {
	*httptest.Server
	rights map[string]bool // "pull-requests", "deployments"
	user   string          // "" for the token of a job, which has no user
	fault  func(r *http.Request) (status int, header http.Header, after bool)

	mu          sync.Mutex
	wrong       []string
	comments    []comment
	deployments []deployment
	seen        []string
}

type comment struct {
	ID      int64  `json:"id"`
	Body    string `json:"body"`
	HTMLURL string `json:"html_url"`
	User    struct {
		Login string `json:"login"`
	} `json:"user"`
}

type deployment struct {
	ID          int64           `json:"id"`
	Environment string          `json:"environment"`
	Task        string          `json:"task"`
	Payload     json.RawMessage `json:"payload"`
	Description string          `json:"description"`
	statuses    []map[string]any
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{rights: map[string]bool{"pull-requests": true, "deployments": true}}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(func() {
		a.Close()
		for _, w := range a.wrong {
			t.Errorf("the API was sent: %s", w)
		}
	})
	return a
}

func (a *api) open(t *testing.T) *GitHub {
	t.Helper()
	g, err := OpenGitHub(func(name string) string {
		return map[string]string{apiURL: a.URL, repository: "org/shop"}[name]
	}, "ghs_token", nil)
	if err != nil {
		t.Fatal(err)
	}
	g.patient.wait = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return g
}

var routes = []struct {
	method string
	path   *regexp.Regexp
	right  string
	fields []string
	serve  func(a *api, w http.ResponseWriter, r *http.Request, id int64, in map[string]any)
}{
	{"GET", regexp.MustCompile(`^/user$`), "", nil, (*api).getUser},
	{"GET", regexp.MustCompile(`^/repos/org/shop/issues/(\d+)/comments$`), "", nil, (*api).listComments},
	{"POST", regexp.MustCompile(`^/repos/org/shop/issues/(\d+)/comments$`), "pull-requests", []string{"body"}, (*api).createComment},
	{"PATCH", regexp.MustCompile(`^/repos/org/shop/issues/comments/(\d+)$`), "pull-requests", []string{"body"}, (*api).editComment},
	{"GET", regexp.MustCompile(`^/repos/org/shop/deployments$`), "", nil, (*api).listDeployments},
	{
		"POST", regexp.MustCompile(`^/repos/org/shop/deployments$`), "deployments",
		[]string{"ref", "task", "auto_merge", "required_contexts", "payload", "environment", "description", "transient_environment", "production_environment"},
		(*api).createDeployment,
	},
	{"GET", regexp.MustCompile(`^/repos/org/shop/deployments/(\d+)/statuses$`), "", nil, (*api).listStatuses},
	{
		"POST", regexp.MustCompile(`^/repos/org/shop/deployments/(\d+)/statuses$`), "deployments",
		[]string{"state", "log_url", "description", "environment", "environment_url", "auto_inactive"},
		(*api).createStatus,
	},
}

func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, r.Method+" "+r.URL.Path)
	status, header, after := 0, http.Header{}, false
	if a.fault != nil {
		status, header, after = a.fault(r)
	}
	answer := w
	if status != 0 {
		if !after {
			refuse(w, status, header)
			return
		}
		answer = httptest.NewRecorder()
	}
	a.route(answer, r)
	if status != 0 {
		refuse(w, status, header)
	}
}

func refuse(w http.ResponseWriter, status int, header http.Header) {
	for k, v := range header {
		w.Header()[k] = v
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"message":"answer %d"}`, status)
}

func (a *api) route(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer ghs_token" {
		refuse(w, http.StatusUnauthorized, nil)
		return
	}
	for _, route := range routes {
		m := route.path.FindStringSubmatch(r.URL.Path)
		if m == nil || route.method != r.Method {
			continue
		}
		if route.right != "" && !a.rights[route.right] {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message":"Resource not accessible by integration"}`)
			return
		}
		in := map[string]any{}
		if r.Method != http.MethodGet {
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				a.wrong = append(a.wrong, err.Error())
			}
			for key := range in {
				if !slices.Contains(route.fields, key) {
					a.wrong = append(a.wrong, r.URL.Path+" with "+key)
				}
			}
		}
		var id int64
		if len(m) > 1 {
			id, _ = strconv.ParseInt(m[1], 10, 64)
		}
		route.serve(a, w, r, id, in)
		return
	}
	a.wrong = append(a.wrong, r.Method+" "+r.URL.Path)
	w.WriteHeader(http.StatusNotFound)
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (a *api) getUser(w http.ResponseWriter, _ *http.Request, _ int64, _ map[string]any) {
	if a.user == "" {
		say(w, http.StatusForbidden, map[string]string{"message": "Resource not accessible by integration"})
		return
	}
	say(w, http.StatusOK, map[string]string{"login": a.user})
}

func (a *api) login() string { return cmp.Or(a.user, actionsBot) }

func page[T any](w http.ResponseWriter, r *http.Request, list []T) []T {
	per, _ := strconv.Atoi(cmp.Or(r.URL.Query().Get("per_page"), "30"))
	n, _ := strconv.Atoi(cmp.Or(r.URL.Query().Get("page"), "1"))
	from, to := min((n-1)*per, len(list)), min(n*per, len(list))
	if to < len(list) {
		w.Header().Set("Link", fmt.Sprintf(`<http://x%s?page=%d>; rel="next"`, r.URL.Path, n+1))
	}
	return list[from:to]
}

func (a *api) listComments(w http.ResponseWriter, r *http.Request, _ int64, _ map[string]any) {
	say(w, http.StatusOK, page(w, r, a.comments))
}

func (a *api) checkBody(in map[string]any) (string, bool) {
	body, _ := in["body"].(string)
	return body, body != "" && Length(body) <= MaxComment
}

func (a *api) createComment(w http.ResponseWriter, _ *http.Request, _ int64, in map[string]any) {
	body, ok := a.checkBody(in)
	if !ok {
		say(w, http.StatusUnprocessableEntity, map[string]string{"message": "Body is too long (maximum is 65536 characters)"})
		return
	}
	c := comment{ID: int64(len(a.comments) + 1), Body: body}
	c.HTMLURL, c.User.Login = fmt.Sprintf("https://example.org/c/%d", c.ID), a.login()
	a.comments = append(a.comments, c)
	say(w, http.StatusCreated, c)
}

func (a *api) editComment(w http.ResponseWriter, _ *http.Request, id int64, in map[string]any) {
	body, ok := a.checkBody(in)
	if !ok {
		say(w, http.StatusUnprocessableEntity, map[string]string{"message": "too long"})
		return
	}
	if id < 1 || id > int64(len(a.comments)) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	c := &a.comments[id-1]
	if c.User.Login != a.login() {
		a.wrong = append(a.wrong, "an edit of somebody else's comment")
	}
	c.Body = body
	say(w, http.StatusOK, c)
}

func (a *api) listDeployments(w http.ResponseWriter, r *http.Request, _ int64, _ map[string]any) {
	list := []deployment{}
	for _, d := range slices.Backward(a.deployments) {
		if d.Environment == r.URL.Query().Get("environment") && d.Task == r.URL.Query().Get("task") {
			list = append(list, d)
		}
	}
	say(w, http.StatusOK, page(w, r, list))
}

func (a *api) createDeployment(w http.ResponseWriter, _ *http.Request, _ int64, in map[string]any) {
	if in["auto_merge"] != false || in["required_contexts"] == nil || in["ref"] == "" || len([]rune(fmt.Sprint(in["description"]))) > 140 {
		a.wrong = append(a.wrong, fmt.Sprintf("a deployment of %v", in))
	}
	payload, _ := json.Marshal(in["payload"])
	d := deployment{ID: int64(len(a.deployments) + 1), Environment: in["environment"].(string), Task: in["task"].(string), Payload: payload}
	a.deployments = append(a.deployments, d)
	say(w, http.StatusCreated, d)
}

func (a *api) listStatuses(w http.ResponseWriter, r *http.Request, id int64, _ map[string]any) {
	list := slices.Clone(a.deployments[id-1].statuses)
	slices.Reverse(list)
	say(w, http.StatusOK, page(w, r, list))
}

func (a *api) createStatus(w http.ResponseWriter, _ *http.Request, id int64, in map[string]any) {
	states := []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}
	if state, _ := in["state"].(string); !slices.Contains(states, state) || len([]rune(fmt.Sprint(in["description"]))) > 140 {
		a.wrong = append(a.wrong, fmt.Sprintf("the state %v", in))
	}
	a.deployments[id-1].statuses = append(a.deployments[id-1].statuses, in)
	say(w, http.StatusCreated, in)
}

func TestOneComment(t *testing.T) {
	a := newAPI(t)
	for range 130 { // somebody else wrote a lot, with our mark too
		c := comment{ID: int64(len(a.comments) + 1), Body: marker("dev", "staging") + "\nfake"}
		c.User.Login = "mallory"
		a.comments = append(a.comments, c)
	}
	g := a.open(t)
	for i := range 3 {
		c := Comment{PullRequest: 7, From: "dev", To: "staging", Headline: fmt.Sprintf("ready %d -- x --> y", i), Body: fmt.Sprintf("text %d\n", i)}
		url, err := g.Comment(t.Context(), c)
		if err != nil || url != "https://example.org/c/131" {
			t.Fatalf("%q, %v", url, err)
		}
	}
	if _, err := g.Comment(t.Context(), Comment{PullRequest: 7, From: "dev", To: "test", Headline: "h", Body: "other\n"}); err != nil {
		t.Fatal(err)
	}
	if len(a.comments) != 132 {
		t.Fatalf("%d comments", len(a.comments))
	}
	body := a.comments[130].Body
	if !strings.HasPrefix(body, "<!-- promote:dev:staging -->\ntext 2\n") || strings.Count(body, "- ready 1 -- x --> y") != 1 || strings.Count(body, "- ready 0 -- x --> y") != 1 {
		t.Errorf("the comment is\n%s", body)
	}
	if hidden := body[strings.Index(body, historyBegin):]; strings.Contains(strings.ReplaceAll(hidden, " -->\n", ""), "-->") {
		t.Errorf("a headline ends its own mark:\n%s", hidden)
	}
}

func TestLongComment(t *testing.T) {
	a := newAPI(t)
	long := "# ready\n\n<details><summary>all</summary>\n\n```\n" + strings.Repeat("läng 🙂 <details>\n", 9000) + "```\n\n</details>\n"
	if _, err := a.open(t).Comment(t.Context(), Comment{PullRequest: 1, From: "a", To: "b", Headline: "h", Body: long}); err != nil {
		t.Fatal(err)
	}
	body := a.comments[0].Body
	if n := Length(body); n > MaxComment || n < MaxComment-2000 {
		t.Errorf("%d characters", n)
	}
	text := body[:strings.Index(body, cutNote)]
	if strings.Count(text, "\n```\n") != 2 || !strings.Contains(text, "\n```\n\n</details>\n") {
		t.Errorf("what was open is not closed: …%q", text[len(text)-100:])
	}
}

func TestCommentWithoutRight(t *testing.T) {
	a := newAPI(t)
	a.rights["pull-requests"] = false
	_, err := a.open(t).Comment(t.Context(), Comment{PullRequest: 1, From: "a", To: "b", Body: "x"})
	var e *Error
	if !errors.Is(err, ErrReadOnly) || !errors.As(err, &e) || !strings.Contains(e.Hint(), "pull-requests: write") {
		t.Errorf("the error is %v", err)
	}
}

// once answers the first request with the method and a path that ends so.
func once(method, suffix string, status int, header http.Header, after bool) func(*http.Request) (int, http.Header, bool) {
	done := false
	return func(r *http.Request) (int, http.Header, bool) {
		if done || r.Method != method || !strings.HasSuffix(r.URL.Path, suffix) {
			return 0, nil, false
		}
		done = true
		return status, header, after
	}
}

func TestPatience(t *testing.T) {
	for name, fault := range map[string]func(*http.Request) (int, http.Header, bool){
		"429":                   once("POST", "/comments", 429, http.Header{"Retry-After": {"1"}}, false),
		"secondary limit":       once("POST", "/comments", 403, http.Header{"Retry-After": {"2"}}, false),
		"502 of a list":         once("GET", "/comments", 502, nil, false),
		"lost answer of a POST": once("POST", "/comments", 502, nil, true),
		"502 of a POST":         once("POST", "/comments", 502, nil, false),
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			a.fault = fault
			if _, err := a.open(t).Comment(t.Context(), Comment{PullRequest: 1, From: "a", To: "b", Headline: "h", Body: "x\n"}); err != nil {
				t.Fatal(err)
			}
			if len(a.comments) != 1 {
				t.Errorf("%d comments: %q", len(a.comments), a.seen)
			}
		})
	}
}

func TestDeployment(t *testing.T) {
	a := newAPI(t)
	g := a.open(t)
	d := Deployment{Promotion: "20261125-101500-7", Ref: "abc", Environment: "staging", Description: strings.Repeat("long ", 50), LogURL: "https://example.org/run"}
	id, err := g.Deploy(t.Context(), d)
	if err != nil || id != 1 {
		t.Fatal(id, err)
	}
	again, err := g.Deploy(t.Context(), d) // the next step
	if err != nil || again != id || len(a.deployments) != 1 || len(a.deployments[0].statuses) != 1 {
		t.Errorf("again it is %d, %v, %+v", again, err, a.deployments)
	}
	open, err := g.Open(t.Context(), "staging")
	if err != nil || open[id] != d.Promotion {
		t.Errorf("open are %v, %v", open, err)
	}
	if err := g.DeploymentState(t.Context(), id, Failure, d); err != nil {
		t.Fatal(err)
	}
	if open, err = g.Open(t.Context(), "staging"); err != nil || len(open) != 0 {
		t.Errorf("open are %v, %v", open, err)
	}
	last := a.deployments[0].statuses[1]
	if last["state"] != "failure" || last["auto_inactive"] != false || last["log_url"] != d.LogURL {
		t.Errorf("the last state is %v", last)
	}
	a.rights["deployments"] = false
	if _, err := g.Deploy(t.Context(), Deployment{Promotion: "x", Ref: "abc", Environment: "staging"}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("without the right: %v", err)
	}
}

func TestETag(t *testing.T) {
	n, saved := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			saved++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte(`[{"id":5}]`))
	}))
	t.Cleanup(server.Close)
	g, err := OpenGitHub(func(name string) string {
		return map[string]string{apiURL: server.URL, repository: "o/r"}[name]
	}, "t", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		list, _, err := g.client.Issues.ListComments(t.Context(), "o", "r", 1, nil)
		if err != nil || len(list) != 1 || list[0].GetID() != 5 {
			t.Errorf("%v, %v", list, err)
		}
	}
	if n != 3 || saved != 2 {
		t.Errorf("%d requests, %d of them saved", n, saved)
	}
}
