package check

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

func TestVersion(t *testing.T) {
	for _, test := range []struct {
		name, field, want string
		bodies            []string
		status            promotion.Status
		message           string
	}{
		{"wanted", "build.version", "2", []string{`{"build":{"version":"2"}}`}, promotion.Pass, "serves version 2"},
		{"old one", "version", "2", []string{`{"version":"1"}`}, promotion.Fail, "serves version 1 instead of 2"},
		{"only reported", "", "", []string{`{"version":3}`}, promotion.Pass, "serves version 3; nothing says which it should be"},
		{"plain text", "", "v2.1", []string{"v2.1\n"}, promotion.Pass, "v2.1"},
		{"one replica is old", "version", "2", []string{`{"version":"2"}`, `{"version":"1"}`}, promotion.Fail, "shop-api-2: serves version 1 instead of 2 (1 of 2 replicas)"},
		{"replicas differ", "version", "", []string{`{"version":"2"}`, `{"version":"1"}`}, promotion.Fail, "1 on shop-api-2; 2 on shop-api-1"},
		{"no field", "build.version", "2", []string{`{"version":"2"}`}, promotion.Fail, `has no "build"`},
		{"empty", "version", "", []string{`{"version":""}`}, promotion.Fail, "empty version"},
		{"a page", "", "", []string{"<!doctype html>\n<p>2</p>"}, promotion.Fail, "neither a JSON object nor one line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var handlers []http.Handler
			for _, b := range test.bodies {
				handlers = append(handlers, says(200, b))
			}
			replicas, port := serve(t, handlers...)
			svc := Service{Name: "api", Ports: []int{port}, Containers: replicas, Version: Version{Path: "/version", Field: test.field, Want: test.want}}
			expect(t, named(t, Subject{Services: []Service{svc}}, "version"), test.status, test.message)
		})
	}
}

func TestLatency(t *testing.T) {
	for _, test := range []struct {
		name    string
		answer  func(n int32) (status int, after time.Duration)
		p95     time.Duration
		rate    float64
		timeout time.Duration
		status  promotion.Status
		message string
	}{
		{"fast", func(int32) (int, time.Duration) { return 200, 0 }, 5 * time.Second, 0, 0, promotion.Pass, "of 10 requests (limit 5s), 0 failed"},
		{"no limit", func(int32) (int, time.Duration) { return 200, 0 }, 0, 0, 0, promotion.Pass, "no limit is configured"},
		{"one is slow", func(n int32) (int, time.Duration) {
			if n == 7 {
				return 200, 300 * time.Millisecond
			}
			return 200, 0
		}, 200 * time.Millisecond, 0, 0, promotion.Fail, "is above the limit of 200ms"},
		{"one fails", func(n int32) (int, time.Duration) { return int(200 + 300*(n/10)), 0 }, 0, 0.01, 0, promotion.Fail, "1 of 10 requests failed (limit 1%), the last: answered 500"},
		{"one may fail", func(n int32) (int, time.Duration) { return int(200 + 300*(n/10)), 0 }, 0, 0.1, 0, promotion.Pass, "1 failed"},
		{"no time left", func(int32) (int, time.Duration) { return 200, 80 * time.Millisecond }, 0, 0.9, 300 * time.Millisecond, promotion.Fail, "requests were answered in the time of the check"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var n atomic.Int32
			replicas, port := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				status, after := test.answer(n.Add(1))
				time.Sleep(after)
				w.WriteHeader(status)
			}))
			svc := Service{Name: "api", Ports: []int{port}, Containers: replicas, Paths: []string{"/x"}, P95: test.p95, ErrorRate: test.rate, Timeout: test.timeout}
			expect(t, named(t, Subject{Services: []Service{svc}}, "latency /x"), test.status, test.message)
		})
	}
}

func TestLatencyAsksEveryReplica(t *testing.T) {
	var first, second atomic.Int32
	count := func(n *atomic.Int32) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n.Add(1) })
	}
	replicas, port := serve(t, count(&first), count(&second))
	svc := Service{Name: "api", Containers: replicas, Health: Health{Path: "/", Port: port}}
	expect(t, named(t, Subject{Services: []Service{svc}}, "latency /"), promotion.Pass, "10 requests")
	if first.Load() != 5 || second.Load() != 5 {
		t.Errorf("%d and %d requests", first.Load(), second.Load())
	}
	svc.Containers[0].IP, svc.Containers[1].IP = "127.0.0.8", "127.0.0.8"
	expect(t, named(t, Subject{Services: []Service{svc}}, "latency /"), promotion.Fail, "10 of 10 requests failed")
	svc.Containers = nil
	expect(t, named(t, Subject{Services: []Service{svc}}, "latency /"), promotion.Fail, "no container")
}

func TestLatencyIsMeasuredAlone(t *testing.T) {
	for _, test := range Tests(Subject{Services: []Service{{Name: "api", Paths: []string{"/a", "/b"}, Version: Version{Path: "/version"}}}}) {
		if test.Alone != (test.Name == "latency /a") {
			t.Errorf("%s: alone is %v", test.Name, test.Alone)
		}
	}
}

func TestNothingToAskIsNoPass(t *testing.T) {
	s := Subject{Services: []Service{{Name: "worker", Containers: []Container{{State: "running"}}}}}
	expect(t, named(t, s, "services"), promotion.Skip, "no service has a health endpoint")
	expect(t, named(t, s, "databases"), promotion.Skip, "no database")
}

func TestPercentile(t *testing.T) {
	var values []time.Duration
	for i := 1; i <= 20; i++ {
		values = append(values, time.Duration(21-i))
		want := time.Duration(20) // of 1 to 19 values the largest
		if i == 20 {
			want = 19
		}
		if got := percentile(values, 95); got != want {
			t.Errorf("p95 of %d values: %d, want %d", i, got, want)
		}
	}
	if percentile(nil, 95) != 0 {
		t.Error("p95 of nothing")
	}
}

type commander struct {
	code int
	err  error
}

func (c commander) Command(context.Context, Command) (int, string, error) {
	return c.code, "first\nlast", c.err
}

func TestCustom(t *testing.T) {
	replicas, port := serve(t, says(200, `{"items":[{"state":"open"}]}`))
	api := Service{Name: "api", Ports: []int{port}, Containers: replicas}
	url := "http://" + net.JoinHostPort(replicas[0].IP, strconv.Itoa(port))
	run := Command{Args: []string{"./smoke", "--token=x"}}
	for _, test := range []struct {
		name      string
		check     Custom
		commander Commander
		status    promotion.Status
		message   string
	}{
		{"text", Custom{HTTP: &HTTP{Service: "api", Path: "/", Contains: "open"}}, nil, promotion.Pass, "200 OK"},
		{"other text", Custom{HTTP: &HTTP{Service: "api", Path: "/", Contains: "closed"}}, nil, promotion.Fail, `without the text "closed"`},
		{"value", Custom{HTTP: &HTTP{Service: "api", Path: "/", JSON: "items.0.state", Equals: "open"}}, nil, promotion.Pass, "200 OK"},
		{"other value", Custom{HTTP: &HTTP{Service: "api", Path: "/", JSON: "items.0.state", Equals: "paid"}}, nil, promotion.Fail, `items.0.state is "open", expected "paid"`},
		{"status", Custom{HTTP: &HTTP{Service: "api", Path: "/", Status: 404}}, nil, promotion.Fail, "expected 404"},
		{"unknown service", Custom{HTTP: &HTTP{Service: "apo", Path: "/"}}, nil, promotion.Error, `no service "apo" (accepted: api)`},
		{"URL", Custom{HTTP: &HTTP{URL: url, Contains: "open"}}, nil, promotion.Pass, "200 OK"},
		{"no URL", Custom{HTTP: &HTTP{URL: "ftp://x"}}, nil, promotion.Error, "is no URL"},
		{"unknown database", Custom{SQL: &SQL{Database: "main", Query: "SELECT 1"}}, nil, promotion.Error, `no database "main"`},
		{"no driver", Custom{Command: &run}, nil, promotion.Error, "only the driver can run a command"},
		{"command", Custom{Command: &run}, commander{}, promotion.Pass, "./smoke ended with code 0"},
		{"command fails", Custom{Command: &run}, commander{code: 2}, promotion.Fail, "./smoke ended with code 2"},
		{"command not started", Custom{Command: &run}, commander{err: errors.New("no such file")}, promotion.Error, "no such file"},
		{"nothing", Custom{}, nil, promotion.Error, "no request, no query and no command"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.check.Name = "mine"
			s := Subject{Services: []Service{api}, Custom: []Custom{test.check}, Commander: test.commander}
			c := named(t, s, "mine")
			expect(t, c, test.status, test.message)
			if strings.Contains(c.Message, "token") {
				t.Error("arguments are shown")
			}
		})
	}
}
