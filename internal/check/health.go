package check

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

const (
	healthPoll     = 500 * time.Millisecond
	defaultSettled = 10 * time.Second
)

// healthTests ask whether every service runs as it should: its containers, its image, and its health endpoint.
func healthTests(s Subject) []Test {
	if len(s.Services) == 0 {
		return []Test{{Name: "services", Critical: true, Run: func(context.Context) promotion.Check {
			return failed("the environment has no service")
		}}}
	}
	var tests []Test
	for _, svc := range s.Services {
		add := func(name string, run func(context.Context) promotion.Check) {
			tests = append(tests, Test{Name: name, Service: svc.Name, Critical: svc.Critical, Timeout: svc.Timeout, Run: run})
		}
		if svc.OneShot {
			add("completed", func(ctx context.Context) promotion.Check { return s.completed(ctx, svc) })
		} else {
			add("running", func(ctx context.Context) promotion.Check { return s.running(ctx, svc) })
		}
		if svc.WantImage != "" {
			add("image", func(ctx context.Context) promotion.Check { return s.image(ctx, svc) })
		}
		if svc.OneShot {
			continue
		}
		if svc.Health.Path != "" {
			add("http "+svc.Health.Path, func(ctx context.Context) promotion.Check {
				return s.replicas(ctx, svc, svc.Health.Port, svc.Health.Path, svc.Health.Status, nil)
			})
		}
		if svc.Health.TCP {
			add("tcp", func(ctx context.Context) promotion.Check { return s.connects(ctx, svc) })
		}
	}
	return tests
}

// running waits until Docker's health check of every replica has decided, and judges each.
func (s Subject) running(ctx context.Context, svc Service) promotion.Check {
	for {
		containers, c := s.present(ctx, svc)
		if containers == nil {
			return c
		}
		if s.Inspector != nil && slices.ContainsFunc(containers, starting) && pause(ctx, healthPoll) {
			continue
		}
		if svc.Replicas > len(containers) {
			return failed("has %d of %d containers", len(containers), svc.Replicas)
		}
		return each(containers, func(c Container) promotion.Check { return s.replica(svc, c) })
	}
}

func starting(c Container) bool { return c.State == "running" && c.Health == "starting" }

func (s Subject) replica(svc Service, c Container) promotion.Check {
	settled := s.Defaults.Settled
	if settled <= 0 {
		settled = defaultSettled
	}
	since := time.Since(c.StartedAt)
	switch {
	case c.State == "restarting":
		return failed("restarts again and again (%s so far, last code %d)", times(c.Restarts), c.ExitCode)
	case c.State != "running":
		return failed("is %s", stateOf(c))
	case c.Restarts > 0 && !c.StartedAt.IsZero() && since < settled:
		return failed("was restarted by the engine %s, last %s ago", times(c.Restarts), short(max(since, 0)))
	case c.HasHealthcheck && c.Health == "starting":
		return withLog(failed("its Docker health check is still starting"), c)
	case c.HasHealthcheck && c.Health != "healthy":
		return withLog(failed("its Docker health check says %s", quoted(c.Health)), c)
	case c.Restarts > 0:
		return hinted(warned("running, but was restarted by the engine %s", times(c.Restarts)),
			"read its log: `promote logs %s %s`", s.Environment, svc.Name)
	case c.HasHealthcheck:
		return passed("running and healthy")
	case svc.Health.configured():
		return passed("running; its health is asked by the tool")
	case s.serves(svc):
		return passed("running; its health is asked by the database checks")
	default:
		return hinted(warned("running, but nothing asserts its health"),
			"add a healthcheck to its Compose service or image, or `health: {http: /…}` to service %s in the configuration", svc.Name)
	}
}

// serves reports whether svc is the server of a database that has checks of its own.
func (s Subject) serves(svc Service) bool {
	return slices.ContainsFunc(s.Databases, func(db Database) bool { return db.Service == svc.Name })
}

func withLog(c promotion.Check, of Container) promotion.Check {
	c.Detail = tail([]byte(strings.Join(of.HealthLog, "\n")))
	return c
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func quoted(s string) string {
	if s == "" {
		return "nothing"
	}
	return line(s, 40)
}

// completed waits for a one-shot to end and wants code 0. Its image's health check says nothing about it.
func (s Subject) completed(ctx context.Context, svc Service) promotion.Check {
	for {
		containers, err := s.containers(ctx, svc)
		if err != nil {
			return unknown("could not read its containers: %s", line(err.Error(), tailWidth))
		}
		if len(containers) == 0 {
			return skipped("no container of its last run is left to tell how it ended")
		}
		last := slices.MaxFunc(containers, func(a, b Container) int { return a.StartedAt.Compare(b.StartedAt) })
		switch {
		case last.State == "exited" && last.ExitCode == 0:
			return passed("completed with code 0")
		case last.State == "created": // a rollback makes the containers of one-shots again and does not run them
			return skipped("its container was made and not run: nothing tells how its last run ended")
		case last.State == "exited" || last.State == "dead":
			return hinted(failed("%s", stateOf(last)), "read its log: `promote logs %s %s`", s.Environment, svc.Name)
		case s.Inspector == nil || !pause(ctx, healthPoll):
			return failed("is %s and has not completed", stateOf(last))
		}
	}
}

// image compares what every replica runs with what was promoted: an old version can be as healthy as the new one.
func (s Subject) image(ctx context.Context, svc Service) promotion.Check {
	containers, c := s.present(ctx, svc)
	if containers == nil {
		if svc.OneShot && c.Status == promotion.Fail {
			return skipped("no container of its last run is left to tell its image")
		}
		return c
	}
	return each(containers, func(c Container) promotion.Check {
		switch {
		case c.ImageID == "":
			return unknown("the engine does not say which image it runs")
		case c.ImageID != svc.WantImage:
			return failed("runs image %s instead of %s", shortID(c.ImageID), shortID(svc.WantImage))
		default:
			return passed("runs image %s", shortID(c.ImageID))
		}
	})
}

func shortID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}

// connects opens a TCP connection to every replica.
func (s Subject) connects(ctx context.Context, svc Service) promotion.Check {
	return s.reach(ctx, svc, svc.Health.Port, func(c Container, port int) promotion.Check {
		var dialer net.Dialer
		address := net.JoinHostPort(c.IP, strconv.Itoa(port))
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return failed("%s", line(plain(err).Error(), tailWidth))
		}
		conn.Close()
		return passed("%s accepts connections", address)
	})
}
