package check

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

func TestPortsMustDoWhatTheyDid(t *testing.T) {
	silent := func(t *testing.T) ([]Container, int) { // accepts, says what is no HTTP
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("220 mail\r\n"))
				time.AfterFunc(100*time.Millisecond, func() { c.Close() })
			}
		}()
		return []Container{{Name: "mail-1", IP: "127.0.0.1", State: "running"}}, l.Addr().(*net.TCPAddr).Port
	}
	closed := func(t *testing.T) ([]Container, int) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return []Container{{Name: "x-1", IP: "127.0.0.1", State: "running"}}, l.Addr().(*net.TCPAddr).Port
	}
	http1 := func(h http.Handler) func(t *testing.T) ([]Container, int) {
		return func(t *testing.T) ([]Container, int) { return serve(t, h) }
	}
	for _, c := range []struct {
		name    string
		make    func(t *testing.T) ([]Container, int)
		expect  string
		status  promotion.Status
		message string
	}{
		{"page", http1(says(200, "hello")), "", promotion.Pass, "answers GET / with 200"},
		{"no page", http1(says(404, "")), "answers", promotion.Pass, "answers GET / with 404"},
		{"broken from the start", http1(says(500, "boom")), "", promotion.Skip, "GET / is answered with 500"},
		{"broken now", http1(says(500, "boom")), "answers", promotion.Fail, "GET / is answered with 500 Internal Server Error; before the promotion it did not"},
		{"nothing listens", closed, "", promotion.Skip, "takes no connection"},
		{"nothing listens any more", closed, "accepts", promotion.Fail, "takes no connection"},
		{"other protocol", silent, "", promotion.Pass, "accepts connections"},
		{"other protocol again", silent, "accepts", promotion.Pass, "accepts connections"},
		{"other protocol instead", silent, "answers", promotion.Fail, "GET / fails"},
	} {
		t.Run(c.name, func(t *testing.T) {
			containers, port := c.make(t)
			s := Subject{Services: []Service{{Name: "web", Critical: true, Containers: containers, Smoke: []Port{{Number: port, Expect: c.expect}}}}}
			var tests []Test
			for _, test := range Tests(s) {
				if len(test.Name) > len(smokeName) && test.Name[:len(smokeName)] == smokeName {
					tests = append(tests, test)
				}
			}
			got, err := Run(t.Context(), tests, Options{})
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			expect(t, got[0], c.status, c.message)
			if blocks := len(promotion.Blocking(got)) > 0; blocks != (c.status == promotion.Fail) {
				t.Errorf("blocks: %v", blocks)
			}
			service, seen, ok := Seen(got[0])
			if ok != (c.status == promotion.Pass) || (ok && (service != "web" || seen.Number != port || seen.Expect == "")) {
				t.Errorf("seen: %s %+v %v", service, seen, ok)
			}
		})
	}
}
