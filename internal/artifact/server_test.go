package artifact

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testRun = "run-backend-id"
	testJob = "job-backend-id"
	testSig = "sec+ret/sig="
)

// runtimeToken is a token as the runner gives it.
func runtimeToken(scope string) string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "RS256"}) + "." + part(map[string]any{"scp": scope, "exp": 1}) + ".signature"
}

// dialect is how a server differs from GitHub's.
type dialect struct {
	camel      bool // answers in camelCase
	noFiles    int  // status with which an artifact that is no zip is refused; 0: taken
	noDigest   bool // ListArtifacts tells none
	appends    bool // blocks are put together in the order in which they come
	noList     bool // 404 where there is no artifact
	overwrites bool // of the same name
}

// service is an artifact service that takes nothing that GitHub's would not take, and remembers what was wrong.
type service struct {
	*httptest.Server
	dialect dialect
	fault   func(r *http.Request) (status int, after bool) // status to answer; after: once the request was carried out

	mu        sync.Mutex
	wrong     []string
	artifacts map[string]*stored
	next      int64
	calls     map[string]int
}

type stored struct {
	id        int64
	name      string
	mime      string
	version   int
	expires   time.Time
	blocks    map[string]block
	order     []string
	size      int64
	digest    string
	data      []byte // kept below 64 MiB
	committed bool
	final     bool
	created   time.Time
}

type block struct {
	size int64
	sum  [32]byte
	data []byte
}

func newService(t *testing.T, d dialect) *service {
	t.Helper()
	s := &service{dialect: d, artifacts: map[string]*stored{}, calls: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.Close()
		for _, w := range s.wrong {
			t.Errorf("the service was sent: %s", w)
		}
	})
	return s
}

func (s *service) client(t *testing.T) *Client {
	t.Helper()
	c, err := Open(func(name string) (string, bool) {
		v, ok := map[string]string{ResultsURL: s.URL + "/", RuntimeToken: runtimeToken("a:b Actions.Results:" + testRun + ":" + testJob)}[name]
		return v, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	c.wait = quick
	return c
}

func (s *service) complain(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	body, hash, size, err := readBody(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return // the client went away
	}
	method, rpc := strings.CutPrefix(r.URL.Path, servicePath)
	s.calls[method]++
	status, after := 0, false
	if s.fault != nil {
		status, after = s.fault(r)
	}
	if status != 0 && !after {
		w.WriteHeader(status)
		return
	}
	answer := w
	if after {
		answer = httptest.NewRecorder()
	}
	switch {
	case rpc:
		s.rpc(answer, r, method, body)
	case strings.HasPrefix(r.URL.Path, "/blob/"):
		s.blob(answer, r, body, hash, size)
	default:
		s.complain("%s %s", r.Method, r.URL.Path)
		answer.WriteHeader(http.StatusNotFound)
	}
	if after {
		w.WriteHeader(status)
	}
}

const keepBelow = 64 << 20

func readBody(r *http.Request) ([]byte, hash.Hash, int64, error) {
	h := sha256.New()
	var kept strings.Builder
	size, err := io.Copy(io.MultiWriter(h, &kept), r.Body)
	return []byte(kept.String()), h, size, err
}

func (s *service) refuse(w http.ResponseWriter, status int, code, msg string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "msg": msg})
}

func (s *service) say(w http.ResponseWriter, v map[string]any) {
	if s.dialect.camel {
		v = camel(v).(map[string]any)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func camel(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, value := range v {
			parts := strings.Split(k, "_")
			for i := 1; i < len(parts); i++ {
				parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
			}
			out[strings.Join(parts, "")] = camel(value)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, camel(e))
		}
		return out
	}
	return v
}

var fields = map[string][]string{
	"CreateArtifact":       {"workflow_run_backend_id", "workflow_job_run_backend_id", "name", "version", "expires_at", "mime_type"},
	"FinalizeArtifact":     {"workflow_run_backend_id", "workflow_job_run_backend_id", "name", "size", "hash"},
	"ListArtifacts":        {"workflow_run_backend_id", "workflow_job_run_backend_id", "name_filter", "id_filter"},
	"GetSignedArtifactURL": {"workflow_run_backend_id", "workflow_job_run_backend_id", "name"},
	"DeleteArtifact":       {"workflow_run_backend_id", "workflow_job_run_backend_id", "name"},
}

func (s *service) rpc(w http.ResponseWriter, r *http.Request, method string, body []byte) {
	known, ok := fields[method]
	if !ok || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		s.complain("%s %s as %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		s.refuse(w, http.StatusNotFound, "bad_route", "no handler")
		return
	}
	if token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); token != runtimeToken("a:b Actions.Results:"+testRun+":"+testJob) {
		s.refuse(w, http.StatusUnauthorized, "unauthenticated", "bad token")
		return
	}
	var in map[string]any
	if err := json.Unmarshal(body, &in); err != nil {
		s.complain("%s: %v", method, err)
	}
	for key := range in {
		if !slices.Contains(known, key) {
			s.complain("%s with %q", method, key)
		}
	}
	text := func(key string) string { v, _ := in[key].(string); return v }
	if text("workflow_run_backend_id") != testRun || text("workflow_job_run_backend_id") != testJob {
		s.refuse(w, http.StatusBadRequest, "invalid_argument", "ids are not those of the token")
		return
	}
	name := text("name")
	a := s.artifacts[name]
	switch method {
	case "CreateArtifact":
		s.create(w, in, name)
	case "FinalizeArtifact":
		switch {
		case a == nil || !a.committed:
			s.refuse(w, http.StatusNotFound, "not_found", "no upload")
		case text("size") != strconv.FormatInt(a.size, 10):
			s.refuse(w, http.StatusBadRequest, "invalid_argument", "size is "+strconv.FormatInt(a.size, 10))
		case text("hash") != a.digest:
			s.refuse(w, http.StatusBadRequest, "invalid_argument", "hash is "+a.digest)
		default:
			a.final = true
			s.say(w, map[string]any{"ok": true, "artifact_id": strconv.FormatInt(a.id, 10)})
		}
	case "ListArtifacts":
		s.list(w, text("name_filter"))
	case "GetSignedArtifactURL":
		if a == nil || !a.final {
			s.refuse(w, http.StatusNotFound, "not_found", "artifact not found")
			return
		}
		s.say(w, map[string]any{"signed_url": s.signed(name)})
	case "DeleteArtifact":
		if a == nil {
			s.refuse(w, http.StatusNotFound, "not_found", "artifact not found")
			return
		}
		delete(s.artifacts, name)
		s.say(w, map[string]any{"ok": true, "artifact_id": strconv.FormatInt(a.id, 10)})
	}
}

func (s *service) signed(name string) string {
	return s.URL + "/blob/" + url.PathEscape(name) + "?se=1&sig=" + url.QueryEscape(testSig) + map[bool]string{true: "&artifactName=" + url.QueryEscape(name)}[s.dialect.appends]
}

func (s *service) create(w http.ResponseWriter, in map[string]any, name string) {
	version, _ := in["version"].(float64)
	mime, hasMIME := in["mime_type"].(string)
	switch {
	case name == "" || strings.ContainsAny(name, "\":<>|*?\\/\r\n"):
		s.complain("the name %q", name)
		s.refuse(w, http.StatusBadRequest, "invalid_argument", "name")
		return
	case s.dialect.noFiles != 0 && hasMIME:
		s.refuse(w, s.dialect.noFiles, "invalid_argument", "unknown field mime_type")
		return
	case version != 4 && version != 7 || (version == 7) != hasMIME:
		s.complain("version %v with mime type %q", version, mime)
	case s.artifacts[name] != nil && !s.dialect.overwrites:
		s.refuse(w, http.StatusConflict, "already_exists", "an artifact with this name already exists on the workflow run")
		return
	}
	a := &stored{name: name, mime: mime, version: int(version), blocks: map[string]block{}, created: time.Now()}
	if text, ok := in["expires_at"].(string); ok {
		var err error
		if a.expires, err = time.Parse(time.RFC3339, text); err != nil {
			s.complain("expires_at: %v", err)
		}
	}
	s.next++
	a.id = s.next
	s.artifacts[name] = a
	s.say(w, map[string]any{"ok": true, "signed_upload_url": s.signed(name)})
}

func (s *service) list(w http.ResponseWriter, filter string) {
	list := []any{}
	for name, a := range s.artifacts {
		if !a.final || filter != "" && name != filter {
			continue
		}
		e := map[string]any{
			"workflow_run_backend_id": testRun, "workflow_job_run_backend_id": testJob, "database_id": strconv.FormatInt(a.id, 10), "name": name,
			"size": strconv.FormatInt(a.size, 10), "created_at": a.created.Format(time.RFC3339),
		}
		if !s.dialect.noDigest {
			e["digest"] = a.digest
		}
		list = append(list, e)
	}
	if len(list) == 0 && s.dialect.noList {
		s.refuse(w, http.StatusNotFound, "not_found", "no artifacts")
		return
	}
	s.say(w, map[string]any{"artifacts": list})
}

func (s *service) blob(w http.ResponseWriter, r *http.Request, body []byte, sum hash.Hash, size int64) {
	name, _ := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/blob/"))
	q := r.URL.Query()
	a := s.artifacts[name]
	if q.Get("sig") != testSig || q.Get("se") != "1" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if r.Header.Get("Authorization") != "" {
		s.complain("a bearer token was sent to the store")
	}
	if a == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch {
	case r.Method == http.MethodGet:
		s.send(w, r, a)
	case r.Method != http.MethodPut:
		s.complain("%s to the store", r.Method)
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.ContentLength < 0:
		s.complain("an upload without a length")
		w.WriteHeader(http.StatusLengthRequired)
	case q.Get("comp") == "block":
		s.put(w, a, q.Get("blockid"), body, sum, size)
	case q.Get("comp") == "blocklist":
		if err := s.commit(a, r, body); err != nil {
			s.complain("%v", err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
	default: // taken, and thrown away
		s.complain("a PUT without comp")
		w.WriteHeader(http.StatusCreated)
	}
}

func (s *service) put(w http.ResponseWriter, a *stored, id string, body []byte, sum hash.Hash, size int64) {
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) == 0 || len(raw) > 64 || size == 0 || size > 100<<20 {
		s.complain("block %q of %d bytes", id, size)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for other := range a.blocks {
		if len(other) != len(id) {
			s.complain("ids of different lengths")
		}
	}
	if _, again := a.blocks[id]; !again || s.dialect.appends {
		a.order = append(a.order, id)
	}
	b := block{size: size, sum: [32]byte(sum.Sum(nil))}
	if a.size+size < keepBelow {
		b.data = body
	}
	a.blocks[id] = b
	w.WriteHeader(http.StatusCreated)
}

func (s *service) commit(a *stored, r *http.Request, body []byte) error {
	var list struct {
		XMLName xml.Name `xml:"BlockList"`
		Latest  []string
	}
	if err := xml.Unmarshal(body, &list); err != nil {
		return err
	}
	want := map[bool]string{true: rawMIME, false: zipMIME}[a.version == 7]
	if got := r.Header.Get("x-ms-blob-content-type"); got != want {
		return fmt.Errorf("content type %q, want %q", got, want)
	}
	order := list.Latest
	if s.dialect.appends {
		if order = a.order; len(order) != len(list.Latest) {
			return errors.New("a block was sent twice to a server that appends")
		}
	}
	h := sha256.New()
	a.size, a.data = 0, nil
	for _, id := range order {
		b, ok := a.blocks[id]
		if !ok {
			return fmt.Errorf("block %q was never sent", id)
		}
		a.size += b.size
		h.Write(b.data)
		a.data = append(a.data, b.data...)
	}
	a.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
	a.committed = true
	return nil
}

func (s *service) send(w http.ResponseWriter, r *http.Request, a *stored) {
	w.Header().Set("Content-Type", map[bool]string{true: rawMIME, false: zipMIME}[a.version == 7])
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(a.data)))
}
