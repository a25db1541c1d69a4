package check

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// serve runs handlers as replicas on 127.0.0.1, 127.0.0.2, … with one port, as the containers of a service have one.
func serve(t *testing.T, handlers ...http.Handler) (containers []Container, port int) {
	t.Helper()
	for attempt := 0; ; attempt++ {
		var servers []*httptest.Server
		port, containers = 0, nil
		for i, h := range handlers {
			ip := "127.0.0." + strconv.Itoa(i+1)
			listener, err := net.Listen("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
			if err != nil {
				break
			}
			port = listener.Addr().(*net.TCPAddr).Port
			server := httptest.NewUnstartedServer(h)
			server.Listener.Close()
			server.Listener = listener
			servers = append(servers, server)
			containers = append(containers, Container{Name: "shop-api-" + strconv.Itoa(i+1), IP: ip, State: "running"})
		}
		if len(servers) == len(handlers) {
			for _, s := range servers {
				s.Start()
				t.Cleanup(s.Close)
			}
			return containers, port
		}
		for _, s := range servers {
			s.Listener.Close()
		}
		if attempt == 10 {
			t.Fatal("no port is free on all addresses")
		}
	}
}

func says(status int, body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		w.Write([]byte(body))
	})
}

// named runs the tests of s and returns the result of the one with this name.
func named(t *testing.T, s Subject, name string) promotion.Check {
	t.Helper()
	for _, test := range Tests(s) {
		if test.Name == name {
			got, err := Run(t.Context(), []Test{test}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			return got[0]
		}
	}
	t.Fatalf("there is no test %q", name)
	return promotion.Check{}
}

func expect(t *testing.T, c promotion.Check, status promotion.Status, message string) {
	t.Helper()
	if c.Status != status || !strings.Contains(c.Message, message) {
		t.Errorf("%s: %s %q %q, want %s %q", c.Name, c.Status, c.Message, c.Detail, status, message)
	}
}

func TestContainersOfAService(t *testing.T) {
	well := Container{Name: "a-1", State: "running", Health: "healthy", HasHealthcheck: true, ImageID: "sha256:aaaaaaaaaaaaaaaa"}
	with := func(change func(*Container)) Container {
		c := well
		change(&c)
		return c
	}
	for _, test := range []struct {
		name    string
		service Service
		ask     string
		status  promotion.Status
		message string
	}{
		{"well", Service{Containers: []Container{well}}, "running", promotion.Pass, "running and healthy"},
		{"two well", Service{Containers: []Container{well, well}}, "running", promotion.Pass, "(all 2 replicas)"},
		{"none", Service{}, "running", promotion.Fail, "has no container"},
		{"too few", Service{Replicas: 3, Containers: []Container{well}}, "running", promotion.Fail, "1 of 3"},
		{"exited", Service{Containers: []Container{with(func(c *Container) { c.State, c.ExitCode = "exited", 137 })}}, "running", promotion.Fail, "exited with code 137"},
		{"paused", Service{Containers: []Container{with(func(c *Container) { c.State = "paused" })}}, "running", promotion.Fail, "is paused"},
		{"restart loop", Service{Containers: []Container{with(func(c *Container) { c.State, c.Restarts = "restarting", 7 })}}, "running", promotion.Fail, "7 times"},
		{"just restarted", Service{Containers: []Container{with(func(c *Container) { c.Restarts, c.StartedAt = 1, time.Now().Add(-2*time.Second) })}}, "running", promotion.Fail, "restarted by the engine once"},
		{"restarted long ago", Service{Containers: []Container{with(func(c *Container) { c.Restarts, c.StartedAt = 2, time.Now().Add(-time.Hour) })}}, "running", promotion.Warn, "2 times"},
		{"unhealthy", Service{Containers: []Container{well, with(func(c *Container) { c.Name, c.Health, c.HealthLog = "a-2", "unhealthy", []string{"refused"} })}}, "running", promotion.Fail, "a-2: its Docker health check says unhealthy (1 of 2 replicas)"},
		{"starting, nobody to ask again", Service{Containers: []Container{with(func(c *Container) { c.Health = "starting" })}}, "running", promotion.Fail, "still starting"},
		{"health not told", Service{Containers: []Container{with(func(c *Container) { c.Health = "" })}}, "running", promotion.Fail, "says nothing"},
		{"no health check", Service{Containers: []Container{{State: "running"}}}, "running", promotion.Warn, "nothing asserts its health"},
		{"asked by us", Service{Health: Health{TCP: true}, Containers: []Container{{State: "running"}}}, "running", promotion.Pass, "asked by the tool"},
		{"right image", Service{WantImage: "sha256:aaaaaaaaaaaaaaaa", Containers: []Container{well}}, "image", promotion.Pass, "aaaaaaaaaaaa"},
		{"wrong image", Service{WantImage: "sha256:bbbbbbbbbbbbbbbb", Containers: []Container{well}}, "image", promotion.Fail, "aaaaaaaaaaaa instead of bbbbbbbbbbbb"},
		{"unknown image", Service{WantImage: "sha256:bbbbbbbbbbbbbbbb", Containers: []Container{{State: "running"}}}, "image", promotion.Error, "does not say"},
		{"one-shot", Service{OneShot: true, Containers: []Container{{State: "exited", HasHealthcheck: true, Health: "unhealthy"}}}, "completed", promotion.Pass, "code 0"},
		{"one-shot failed", Service{OneShot: true, Containers: []Container{{State: "exited", ExitCode: 3}}}, "completed", promotion.Fail, "code 3"},
		{"one-shot, last run counts", Service{OneShot: true, Containers: []Container{
			{State: "exited", StartedAt: time.Unix(200, 0)}, {State: "exited", ExitCode: 3, StartedAt: time.Unix(100, 0)},
		}}, "completed", promotion.Pass, "code 0"},
		{"one-shot runs", Service{OneShot: true, Containers: []Container{{State: "running"}}}, "completed", promotion.Fail, "not completed"},
		{"one-shot made again", Service{OneShot: true, Containers: []Container{{State: "created"}}}, "completed", promotion.Skip, "not run"},
		{"one-shot is gone", Service{OneShot: true}, "completed", promotion.Skip, "no container"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.service.Name = "a"
			expect(t, named(t, Subject{Services: []Service{test.service}}, test.ask), test.status, test.message)
		})
	}
	expect(t, named(t, Subject{}, "services"), promotion.Fail, "no service")
}

// inspector answers from the time since it was made.
type inspector func(at time.Duration) ([]Container, error)

type since struct {
	begin time.Time
	of    inspector
}

func (s since) Containers(context.Context, string) ([]Container, error) {
	return s.of(time.Since(s.begin))
}

func TestStartingIsWaitedFor(t *testing.T) {
	for _, test := range []struct {
		name    string
		of      inspector
		ask     string
		status  promotion.Status
		message string
		took    time.Duration
	}{
		{"becomes healthy", func(at time.Duration) ([]Container, error) {
			c := Container{State: "running", HasHealthcheck: true, Health: "starting"}
			if at >= 4*time.Second {
				c.Health = "healthy"
			}
			return []Container{c}, nil
		}, "running", promotion.Pass, "healthy", 4 * time.Second},
		{"dies", func(at time.Duration) ([]Container, error) {
			if at >= 2*time.Second {
				return []Container{{State: "exited", ExitCode: 1}}, nil
			}
			return []Container{{State: "running", HasHealthcheck: true, Health: "starting"}}, nil
		}, "running", promotion.Fail, "exited with code 1", 2 * time.Second},
		{"never decides", func(time.Duration) ([]Container, error) {
			return []Container{{State: "running", HasHealthcheck: true, Health: "starting"}}, nil
		}, "running", promotion.Fail, "still starting", 20 * time.Second},
		{"engine is silent", func(time.Duration) ([]Container, error) { return nil, errors.New("engine: no socket") }, "running", promotion.Error, "engine: no socket", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				s := Subject{Services: []Service{{Name: "a", Timeout: 20 * time.Second}}, Inspector: since{begin, test.of}}
				expect(t, named(t, s, test.ask), test.status, test.message)
				if time.Since(begin) != test.took {
					t.Errorf("took %s, want %s", time.Since(begin), test.took)
				}
			})
		})
	}
}

func TestHealthEndpoint(t *testing.T) {
	ok, broken := says(200, "ok"), says(503, "db: gone\n\x1b[31mred\x1b[0m")
	both, port := serve(t, ok, broken)
	svc := Service{Name: "api", Containers: both, Health: Health{Path: "/healthz", Port: port}}
	c := named(t, Subject{Services: []Service{svc}}, "http /healthz")
	expect(t, c, promotion.Fail, "shop-api-2: http://127.0.0.2:"+strconv.Itoa(port)+"/healthz: answered 503 Service Unavailable, expected 200 to 399 (1 of 2 replicas)")
	if got := strings.Join(c.Detail, "|"); got != "db: gone|·[31mred·[0m" {
		t.Errorf("detail %q", got)
	}

	svc.Containers = both[:1]
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Pass, "200 OK")
	svc.Health.Port, svc.Ports = 0, []int{port}
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Pass, "200 OK")
	svc.Ports = []int{port, 9090}
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Error, "exposes several")
	svc.Ports = nil
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Error, "no port is exposed")

	svc = Service{Name: "api", Containers: both[1:], Health: Health{Path: "/healthz", Port: port, Status: 503, TCP: true}}
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Pass, "503")
	expect(t, named(t, Subject{Services: []Service{svc}}, "tcp"), promotion.Pass, "accepts connections")
	svc.Containers[0].IP = "127.0.0.3"
	expect(t, named(t, Subject{Services: []Service{svc}}, "tcp"), promotion.Fail, "refused")
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Fail, "refused")
	svc.Containers[0].IP = ""
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Error, "no address")
	svc.Containers[0].State = "exited"
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /healthz"), promotion.Fail, "can't be asked")
}

func TestSlowEndpointFails(t *testing.T) {
	stop := make(chan struct{})
	one, port := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	t.Cleanup(func() { close(stop) })
	svc := Service{Name: "api", Containers: one, Timeout: 200 * time.Millisecond, Health: Health{Path: "/", Port: port}}
	expect(t, named(t, Subject{Services: []Service{svc}}, "http /"), promotion.Fail, "no answer in time")
}
