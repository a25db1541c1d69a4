package artifact

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func quick(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func content(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

var dialects = map[string]dialect{
	"github":       {},
	"github zip":   {noFiles: http.StatusBadRequest},
	"act":          {camel: true, noFiles: http.StatusInternalServerError, noDigest: true, appends: true, overwrites: true},
	"gitea":        {camel: true, appends: true, overwrites: true},
	"gitea before": {camel: true, noFiles: http.StatusBadRequest, noDigest: true, noList: true, appends: true},
}

func TestContract(t *testing.T) {
	for name, d := range dialects {
		for _, size := range []int{0, 1, blockSize - 1, blockSize, blockSize + 1, 3*blockSize + 17} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				t.Parallel()
				s := newService(t, d)
				c := s.client(t)
				data := content(size)
				var last atomic.Int64
				a, err := c.Upload(t.Context(), "backup-1.age", bytes.NewReader(data), UploadOptions{Retention: 48 * time.Hour, Progress: func(n int64) { last.Store(n) }})
				if err != nil {
					t.Fatal(err)
				}
				if a.ID == 0 || a.Name != "backup-1.age" || a.Digest == "" || a.Zipped != (d.noFiles != 0) {
					t.Errorf("kept as %+v", a)
				}
				if left := time.Until(s.artifacts["backup-1.age"].expires); left < 47*time.Hour || left > 48*time.Hour {
					t.Errorf("kept for %s", left)
				}
				if last.Load() < int64(size) {
					t.Errorf("progress ended at %d of %d", last.Load(), size)
				}
				var out bytes.Buffer
				if _, err := c.Download(t.Context(), "backup-1.age", &out); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(out.Bytes(), data) {
					t.Errorf("%d bytes came back, not those %d that were sent", out.Len(), size)
				}
				list, err := c.List(t.Context())
				if err != nil || len(list) != 1 || list[0].Name != "backup-1.age" {
					t.Errorf("List is %+v, %v", list, err)
				}
				if err := c.Delete(t.Context(), "backup-1.age"); err != nil {
					t.Error(err)
				}
				if _, err := c.Download(t.Context(), "backup-1.age", &out); !errors.Is(err, ErrNotFound) {
					t.Errorf("after the deletion: %v", err)
				}
			})
		}
	}
}

// nth answers the nth request that matches with status.
func nth(n int, status int, after bool, match func(*http.Request) bool) func(*http.Request) (int, bool) {
	return func(r *http.Request) (int, bool) {
		if !match(r) {
			return 0, false
		}
		n--
		if n == 0 {
			return status, after
		}
		return 0, false
	}
}

func TestUploadSurvives(t *testing.T) {
	method := func(name string) func(*http.Request) bool {
		return func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/"+name) }
	}
	comp := func(name string) func(*http.Request) bool {
		return func(r *http.Request) bool { return r.URL.Query().Get("comp") == name }
	}
	for name, fault := range map[string]func(*http.Request) (int, bool){
		"429 at create":           nth(1, 429, false, method("CreateArtifact")),
		"503 at create":           nth(1, 503, false, method("CreateArtifact")),
		"lost answer of create":   nth(1, 502, true, method("CreateArtifact")),
		"503 at a block":          nth(2, 503, false, comp("block")),
		"500 after a block":       nth(2, 500, true, comp("block")),
		"500 at the list":         nth(1, 500, false, comp("blocklist")),
		"429 at finalize":         nth(1, 429, false, method("FinalizeArtifact")),
		"lost answer of finalize": nth(1, 502, true, method("FinalizeArtifact")),
		"500 at list":             nth(1, 500, false, method("ListArtifacts")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, dialect{})
			s.fault = fault
			data := content(2*blockSize + 5)
			if _, err := s.client(t).Upload(t.Context(), "x", bytes.NewReader(data), UploadOptions{}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.artifacts["x"].data, data) || !s.artifacts["x"].final {
				t.Error("the service holds something else")
			}
		})
	}
}

func TestUploadRefused(t *testing.T) {
	quota := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"code":"resource_exhausted","msg":"Failed to CreateArtifact: insufficient usage to create artifact"}`)
	}))
	t.Cleanup(quota.Close)
	s := newService(t, dialect{})
	c := s.client(t)
	c.base = quota.URL
	if _, err := c.Upload(t.Context(), "x", strings.NewReader("1"), UploadOptions{}); !errors.Is(err, ErrQuota) || Hint(err) == "" {
		t.Errorf("without storage: %v", err)
	}
	c = s.client(t)
	if _, err := c.Upload(t.Context(), "x", strings.NewReader("1"), UploadOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upload(t.Context(), "x", strings.NewReader("2"), UploadOptions{}); !errors.Is(err, ErrTaken) {
		t.Errorf("a second one of that name: %v", err)
	}
	if string(s.artifacts["x"].data) != "1" {
		t.Error("the first one was changed")
	}
	if _, err := c.Upload(t.Context(), "a/b", strings.NewReader("2"), UploadOptions{}); err == nil {
		t.Error("a name with a slash was taken")
	}
}

type broken struct{ after *bytes.Reader }

func (b broken) Read(p []byte) (int, error) {
	if b.after.Len() == 0 {
		return 0, errors.New("the disk is gone")
	}
	return b.after.Read(p)
}

func TestUploadLeavesNothingUnfinished(t *testing.T) {
	for _, d := range []dialect{{}, {noFiles: 400}} {
		s := newService(t, d)
		_, err := s.client(t).Upload(t.Context(), "x", broken{bytes.NewReader(content(blockSize + 3))}, UploadOptions{})
		if err == nil || !strings.Contains(err.Error(), "the disk is gone") {
			t.Errorf("the error is %v", err)
		}
		if s.artifacts["x"] != nil {
			t.Error("half an artifact stays")
		}
	}
}

func TestExpiredAddress(t *testing.T) {
	s := newService(t, dialect{})
	s.fault = func(r *http.Request) (int, bool) {
		return map[bool]int{true: 403}[r.URL.Query().Get("comp") == "block"], false
	}
	_, err := s.client(t).Upload(t.Context(), "x", strings.NewReader("abc"), UploadOptions{})
	if !errors.Is(err, ErrExpired) || strings.Contains(err.Error(), "sig") {
		t.Errorf("the error is %v", err)
	}
}

func TestStalledUpload(t *testing.T) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s := newService(t, dialect{})
	c := s.client(t)
	c.http = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("comp") == "block" {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-release:
			}
		}
		return http.DefaultTransport.RoundTrip(r)
	})}
	c.stall = 20 * time.Millisecond
	if _, err := c.Upload(t.Context(), "x", strings.NewReader("abc"), UploadOptions{}); !errors.Is(err, ErrStalled) {
		t.Errorf("the error is %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCancelled(t *testing.T) {
	s := newService(t, dialect{})
	ctx, cancel := context.WithCancel(t.Context())
	s.fault = func(r *http.Request) (int, bool) {
		if r.URL.Query().Get("comp") == "block" {
			cancel()
		}
		return 0, false
	}
	_, err := s.client(t).Upload(ctx, "x", bytes.NewReader(content(4*blockSize)), UploadOptions{})
	if !errors.Is(err, context.Canceled) || s.artifacts["x"] != nil {
		t.Errorf("the error is %v, left is %v", err, s.artifacts["x"])
	}
}

func TestDamagedDownload(t *testing.T) {
	for _, d := range []dialect{{}, {noFiles: 400}} {
		s := newService(t, d)
		c := s.client(t)
		if _, err := c.Upload(t.Context(), "x", bytes.NewReader(content(1000)), UploadOptions{}); err != nil {
			t.Fatal(err)
		}
		s.artifacts["x"].data[500] ^= 1
		if _, err := c.Download(t.Context(), "x", &bytes.Buffer{}); !errors.Is(err, ErrDigest) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestDownloadGoesOn(t *testing.T) {
	data := content(300_000)
	for _, resumes := range []bool{true, false} {
		cut := 2
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			from := 0
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from); err == nil && resumes {
				w.WriteHeader(http.StatusPartialContent)
			} else {
				from = 0
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			}
			if cut--; cut >= 0 {
				_, _ = w.Write(data[from : from+50_000])
				panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(data[from:])
		}))
		var out bytes.Buffer
		_, err := Fetch(t.Context(), server.Client(), server.URL, "", &out)
		if err != nil || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("resumes %v: %d bytes, %v", resumes, out.Len(), err)
		}
		server.Close()
	}
}

func TestOpen(t *testing.T) {
	good := map[string]string{ResultsURL: "https://results.example", RuntimeToken: runtimeToken("Actions.Results:1:2")}
	for name, change := range map[string]func(map[string]string){
		"no address": func(m map[string]string) { delete(m, ResultsURL) },
		"no token":   func(m map[string]string) { delete(m, RuntimeToken) },
		"no scope":   func(m map[string]string) { m[RuntimeToken] = runtimeToken("Actions.Other:1:2 Actions.Results:1") },
		"no JWT":     func(m map[string]string) { m[RuntimeToken] = "abc" },
		"no payload": func(m map[string]string) { m[RuntimeToken] = "a.%.c" },
		"no url":     func(m map[string]string) { m[ResultsURL] = "ftp://x" },
	} {
		vars := map[string]string{ResultsURL: good[ResultsURL], RuntimeToken: good[RuntimeToken]}
		change(vars)
		_, err := Open(func(n string) (string, bool) { v, ok := vars[n]; return v, ok })
		if err == nil || strings.Contains(err.Error(), vars[RuntimeToken]) && vars[RuntimeToken] != "" {
			t.Errorf("%s: %v", name, err)
		}
		if strings.HasPrefix(name, "no address") != errors.Is(err, ErrNoService) && name != "no token" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var hidden []string
	_, err := Open(func(n string) (string, bool) { v, ok := good[n]; return v, ok }, Secrets(func(s string) { hidden = append(hidden, s) }))
	if err != nil || len(hidden) != 1 || hidden[0] != good[RuntimeToken] {
		t.Errorf("hidden are %q, %v", hidden, err)
	}
}
