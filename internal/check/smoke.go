package check

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// Port is a port of a service that is tried without anybody having asked for it. What it did before a promotion is what
// it must do afterwards: a service without a health check, or with one that says little, is known to work by that.
type Port struct {
	Number int
	Expect string // what it did: answers, accepts; empty when nothing is expected of it
}

// What a port does.
const (
	answers = "answers" // an HTTP request, with less than a 500
	accepts = "accepts" // a connection
)

// smokeTimeout is how long a port may take.
const smokeTimeout = 5 * time.Second

const smokeName = "port "

// Seen is what an earlier result says that a service's port does; ok is false for a result of any other test.
func Seen(c promotion.Check) (service string, port Port, ok bool) {
	number, err := strconv.Atoi(strings.TrimPrefix(c.Name, smokeName))
	if c.Category != "health" || !strings.HasPrefix(c.Name, smokeName) || err != nil {
		return "", Port{}, false
	}
	port.Number = number
	if c.Status == promotion.Pass {
		port.Expect, _, _ = strings.Cut(c.Message, " ")
	}
	return c.Service, port, port.Expect == answers || port.Expect == accepts
}

// smokeTests try the ports of every service; where nothing is expected they only tell.
func smokeTests(s Subject) []Test {
	var tests []Test
	for _, svc := range s.Services {
		for _, p := range svc.Smoke {
			if svc.OneShot || (svc.Health.Path == "/" && (svc.Health.Port == p.Number || svc.Health.Port == 0)) {
				continue
			}
			tests = append(tests, Test{
				Name: smokeName + strconv.Itoa(p.Number), Service: svc.Name, Critical: svc.Critical && p.Expect != "", Timeout: 2 * smokeTimeout,
				Run: func(ctx context.Context) promotion.Check {
					containers, c := s.present(ctx, svc)
					if containers == nil {
						return skipped("%s", c.Message)
					}
					containers = slices.DeleteFunc(slices.Clone(containers), func(c Container) bool { return c.IP == "" })
					if len(containers) == 0 {
						return skipped("it has no address in a network of the environment")
					}
					return each(containers, func(c Container) promotion.Check { return s.try(ctx, svc, c, p) })
				},
			})
		}
	}
	return tests
}

// try says what the port of one replica does, and judges it where something is expected.
func (s Subject) try(ctx context.Context, svc Service, c Container, p Port) promotion.Check {
	ctx, cancel := context.WithTimeout(ctx, smokeTimeout)
	defer cancel()
	bad := func(format string, args ...any) promotion.Check {
		if p.Expect == "" {
			return skipped(format, args...)
		}
		got := failed(format, args...)
		got.Message += "; before the promotion it did not"
		return got
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(c.IP, strconv.Itoa(p.Number)))
	if err != nil {
		return bad("takes no connection: %s", line(plain(err).Error(), tailWidth))
	}
	conn.Close()
	if p.Expect == accepts {
		return passed("accepts connections")
	}
	e, err := at(svc, c, p.Number, "/", s.Defaults.Version)
	if err != nil {
		return unknown("%v", err)
	}
	r, err := get(ctx, e, true)
	switch {
	case err != nil && p.Expect == "":
		return passed("accepts connections, and answers no HTTP request")
	case err != nil:
		return bad("GET / fails: %s", line(err.Error(), tailWidth))
	case r.status >= 500:
		got := bad("GET / is answered with %s", r)
		got.Detail = tail(r.body)
		return got
	default:
		return passed("answers GET / with %s", r)
	}
}
