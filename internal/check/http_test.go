package check

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/org/promote-action/internal/promotion"
)

func TestRequest(t *testing.T) {
	var host, agent, accept string
	replicas, port := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, agent, accept = r.Host, r.UserAgent(), r.Header.Get("Accept")
		w.Write(bytes.Repeat([]byte("x"), bodyLimit+100))
	}))
	t.Setenv("HTTP_PROXY", "http://127.0.0.9:1")
	e, err := at(Service{Name: "shop_api"}, replicas[0], port, "healthz?full=1", "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	r, err := get(t.Context(), e, true)
	if err != nil || r.status != 200 || len(r.body) != bodyLimit {
		t.Errorf("%v %v, %d bytes", r, err, len(r.body))
	}
	if host != "shop_api" || agent != "promote/1.2.3" || !strings.HasPrefix(accept, "application/json") {
		t.Errorf("Host %q, User-Agent %q, Accept %q", host, agent, accept)
	}
	for _, path := range []string{"//evil.example/x", "/%zz"} {
		if e, err := at(Service{Name: "a"}, replicas[0], port, path, ""); err == nil {
			t.Errorf("%q became %s", path, e.url)
		}
	}
}

func TestRedirects(t *testing.T) {
	var outside atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { outside.Add(1) }))
	defer other.Close()
	var port int
	hosts := make(map[string]bool)
	replicas, port := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hosts[r.Host] = true
		switch n := strings.TrimPrefix(r.URL.Path, "/hops/"); r.URL.Path {
		case "/end":
			w.Write([]byte("here"))
		case "/name":
			http.Redirect(w, r, "http://api/end", http.StatusFound)
		case "/name-and-port":
			http.Redirect(w, r, "http://api:"+strconv.Itoa(port)+"/end", http.StatusFound)
		case "/other-port":
			http.Redirect(w, r, "http://api:1/end", http.StatusFound)
		case "/secure":
			http.Redirect(w, r, "https://api/end", http.StatusMovedPermanently)
		case "/outside":
			http.Redirect(w, r, other.URL, http.StatusFound)
		default:
			if left, _ := strconv.Atoi(n); left > 0 {
				http.Redirect(w, r, "/hops/"+strconv.Itoa(left-1), http.StatusFound)
			}
		}
	}))
	for _, test := range []struct {
		path   string
		want   int
		status promotion.Status
		text   string
	}{
		{"/hops/3", 0, promotion.Pass, "200 OK"},
		{"/hops/4", 0, promotion.Fail, "more than 3 redirects"},
		{"/hops/1", 302, promotion.Pass, "302 Found to /hops/0"},
		{"/name", 200, promotion.Pass, "200 OK"},
		{"/name-and-port", 200, promotion.Pass, "200 OK"},
		{"/other-port", 0, promotion.Pass, "302 Found to http://api:1/end"},
		{"/secure", 0, promotion.Pass, "301 Moved Permanently to https://api/end"},
		{"/secure", 200, promotion.Fail, "301 Moved Permanently to https://api/end, expected 200"},
		{"/outside", 0, promotion.Pass, "302 Found to http://127.0.0.1:"},
	} {
		e, err := at(Service{Name: "api"}, replicas[0], port, test.path, "")
		if err != nil {
			t.Fatal(err)
		}
		expect(t, ask(t.Context(), e, test.want, nil), test.status, test.text)
	}
	if outside.Load() != 0 {
		t.Error("a redirect was followed to another host")
	}
	if len(hosts) != 1 || !hosts["api"] {
		t.Errorf("Host headers: %v", hosts)
	}
}

func TestShownURLHasNoPassword(t *testing.T) {
	u, _ := url.Parse("https://me:secret@shop.example/x")
	if s := shown(u); strings.Contains(s, "secret") {
		t.Error(s)
	}
}

func TestTail(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"no text", "\x00\x01\x02", "(3 bytes that are no text)"},
		{"long", strings.Repeat("é", 300), strings.Repeat("é", 199) + "…"},
		{"many", "1\n2\n3\n4\n5\n6\n7\n8\n9\n\n10\n", "(2 lines before)|3|4|5|6|7|8|9|10"},
		{"terminal", "a\x1b]0;title\x07b\u202ec\u009bd\r\n", "a·]0;title·b·c·d"},
		{"not UTF-8", "caf\xe9", "caf\uFFFD"},
	} {
		if got := strings.Join(tail([]byte(test.text)), "|"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzTail(f *testing.F) {
	f.Add([]byte("ok\n\x1b[2J"))
	f.Add([]byte("\xff\xfe\u2028\u202e"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := tail(text)
		if len(lines) > tailLines+1 {
			t.Errorf("%d lines", len(lines))
		}
		for _, l := range lines {
			if !utf8.ValidString(l) || utf8.RuneCountInString(l) > tailWidth || strings.IndexFunc(l, unicode.IsControl) >= 0 {
				t.Errorf("%q", l)
			}
		}
	})
}

func TestField(t *testing.T) {
	const document = `{"version":"2.0","build":{"number":12345678901234567890,"ok":true,"tags":["a",{"b":null}]},"dotted.key":1}`
	for _, test := range []struct{ path, want, err string }{
		{"version", "2.0", ""},
		{"$.build.number", "12345678901234567890", ""},
		{"build.ok", "true", ""},
		{"build.tags.0", "a", ""},
		{"build.tags.1", `{"b":null}`, ""},
		{"build.tags.1.b", "null", ""},
		{"build.tags.2", "", `answer has no "2" (part 3 of build.tags.2)`},
		{"version.x", "", `answer has no "x" (part 2 of version.x)`},
		{"", "", `answer has no ""`},
	} {
		got, err := field([]byte(document), test.path)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q %v", test.path, got, err)
		}
	}
	if _, err := field([]byte("<html>"), "a"); err == nil || !strings.Contains(err.Error(), "answer is no JSON") {
		t.Errorf("%v", err)
	}
}
