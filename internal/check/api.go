package check

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/org/promote-action/internal/promotion"
)

// requests are sent for a latency, at least one to each replica.
const requests = 10

// apiTests ask what services answer: their version, further paths, and how fast.
func apiTests(s Subject) []Test {
	var tests []Test
	for _, svc := range s.Services {
		if svc.OneShot {
			continue
		}
		add := func(t Test) {
			t.Service, t.Critical, t.Timeout = svc.Name, svc.Critical, svc.Timeout
			tests = append(tests, t)
		}
		if svc.Version.Path != "" {
			add(Test{Name: "version", Run: func(ctx context.Context) promotion.Check { return s.version(ctx, svc) }})
		}
		for _, path := range svc.Paths {
			add(Test{Name: "get " + path, Run: func(ctx context.Context) promotion.Check {
				return s.replicas(ctx, svc, 0, path, 0, nil)
			}})
		}
		if path, want := measured(svc); path != "" {
			add(Test{Name: "latency " + path, Alone: true, Run: func(ctx context.Context) promotion.Check {
				return s.latency(ctx, svc, path, want)
			}})
		}
	}
	if len(tests) == 0 {
		tests = append(tests, Test{Name: "services", Run: func(context.Context) promotion.Check {
			return hinted(skipped("no service has a health endpoint, a version endpoint or paths configured"),
				"add `health: {http: /…}` or `version: {http: /…}` to a service in the configuration")
		}})
	}
	return tests
}

// measured is the path whose latency stands for the service: what its users ask before what its supervisor asks.
func measured(svc Service) (path string, status int) {
	switch {
	case len(svc.Paths) > 0:
		return svc.Paths[0], 0
	case svc.Health.Path != "":
		return svc.Health.Path, svc.Health.Status
	default:
		return svc.Version.Path, 0
	}
}

// version wants every replica to tell the same version, and the wanted one where there is one.
func (s Subject) version(ctx context.Context, svc Service) promotion.Check {
	var mu sync.Mutex
	told := make(map[string][]string) // version to replicas
	c := s.replicas(ctx, svc, 0, svc.Version.Path, 0, func(c Container, r response) promotion.Check {
		v, err := versionIn(r.body, svc.Version.Field)
		if err != nil {
			bad := hinted(failed("%s: %s", svc.Version.Path, line(err.Error(), tailWidth)),
				"name the right field: `version: {http: %s, field: …}`", svc.Version.Path)
			bad.Detail = tail(r.body)
			return bad
		}
		mu.Lock()
		told[v] = append(told[v], c.Name)
		mu.Unlock()
		switch want := svc.Version.Want; {
		case want == "":
			return passed("serves version %s; nothing says which it should be", v)
		case v != want:
			return failed("serves version %s instead of %s", v, want)
		default:
			return passed("serves version %s", v)
		}
	})
	if c.Status == promotion.Pass && len(told) > 1 {
		var parts []string
		for v, names := range told {
			slices.Sort(names)
			parts = append(parts, fmt.Sprintf("%s on %s", v, strings.Join(names, ", ")))
		}
		slices.Sort(parts)
		return failed("its replicas serve different versions: %s", strings.Join(parts, "; "))
	}
	for v := range told {
		c.Value = v
	}
	return c
}

// versionIn finds the version in an answer.
func versionIn(body []byte, path string) (string, error) {
	var v string
	var err error
	switch text := bytes.TrimSpace(body); {
	case path != "":
		v, err = field(text, path)
	case bytes.HasPrefix(text, []byte("{")):
		v, err = field(text, "version")
	case !utf8.Valid(text) || bytes.ContainsAny(text, "\n<"):
		err = fmt.Errorf("answer is neither a JSON object nor one line of text")
	default:
		v = strings.Trim(string(text), `"`)
	}
	if err != nil {
		return "", err
	}
	if v = line(strings.TrimSpace(v), 100); v == "" || v == "null" {
		return "", fmt.Errorf("answer has an empty version")
	}
	return v, nil
}

// sample is what some requests came to.
type sample struct {
	took   []time.Duration // of the good ones
	sent   int
	bad    int
	reason string // of the last bad one
	detail []string
}

// latency sends requests one after the other, in turn to the replicas, and compares p95 and the share of bad answers with
// their limits.
func (s Subject) latency(ctx context.Context, svc Service, path string, want int) promotion.Check {
	containers, c := s.present(ctx, svc)
	if containers == nil {
		return c
	}
	port, err := portOf(svc, 0)
	if err != nil {
		return unknown("%v", err)
	}
	var endpoints []endpoint
	for _, c := range containers {
		if c.State != "running" || c.IP == "" {
			continue // the health category says so
		}
		e, err := at(svc, c, port, path, s.Defaults.Version)
		if err != nil {
			return unknown("%v", err)
		}
		endpoints = append(endpoints, e)
	}
	if len(endpoints) == 0 {
		return failed("no replica runs and has an address")
	}
	total := max(requests, len(endpoints))
	var got sample
	for i := 0; i < total && ctx.Err() == nil; i++ {
		got.add(ctx, endpoints[i%len(endpoints)], want)
	}
	limit, rate := svc.P95, svc.ErrorRate
	if limit <= 0 {
		limit = s.Defaults.P95
	}
	if rate <= 0 {
		rate = s.Defaults.ErrorRate
	}
	judged := got.judge(total, limit, rate)
	if len(got.took) > 0 {
		judged.Value = strconv.FormatFloat(float64(percentile(got.took, 50))/float64(time.Millisecond), 'f', 1, 64)
	}
	return judged
}

func (g *sample) add(ctx context.Context, e endpoint, want int) {
	r, err := get(ctx, e, follows(want))
	g.sent++
	switch {
	case err != nil:
		g.bad, g.reason, g.detail = g.bad+1, line(err.Error(), tailWidth), nil
	case !accepted(r.status, want):
		g.bad, g.reason, g.detail = g.bad+1, fmt.Sprintf("answered %s, expected %s", r, wanted(want)), tail(r.body)
	default:
		g.took = append(g.took, r.took)
	}
}

func (g *sample) judge(total int, limit time.Duration, rate float64) promotion.Check {
	p95 := percentile(g.took, 95)
	switch {
	case float64(g.bad) > rate*float64(g.sent):
		c := failed("%d of %d requests failed (limit %g%%), the last: %s", g.bad, g.sent, rate*100, g.reason)
		c.Detail = g.detail
		return c
	case limit > 0 && p95 > limit:
		return failed("p95 %s of %d requests is above the limit of %s", short(p95), len(g.took), limit)
	case g.sent < total || len(g.took) == 0:
		return failed("only %d of %d requests were answered in the time of the check", len(g.took), total)
	case limit <= 0:
		return passed("p95 %s of %d requests, %d failed; no limit is configured", short(p95), g.sent, g.bad)
	default:
		return passed("p95 %s of %d requests (limit %s), %d failed", short(p95), g.sent, limit, g.bad)
	}
}

// percentile is the nearest rank: the smallest value that at least p of 100 values do not exceed. Of ten values, p95 is the
// largest.
func percentile(values []time.Duration, p int) time.Duration {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max((p*len(sorted)+99)/100, 1)-1]
}
