package driver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/compare"
)

// sampling says how fast and how long endpoints are asked.
type sampling struct {
	endpoints []agent.Endpoint // empty: the one of each service that its checks ask
	rate      float64          // requests in a second to each endpoint of each side
	duration  time.Duration
}

// sampleTimeout is how long one answer may take.
const sampleTimeout = 10 * time.Second

// sample asks the same endpoints on both sides in turn, so that whatever disturbs one disturbs the other alike.
func (c *comparing) sample(ctx context.Context) {
	how, on := c.d.sampling()
	switch {
	case !on && !c.o.Performance:
		c.in.PerformanceOff = "no samples were asked for: --performance, or performance in the configuration"
		return
	case c.from.agent == nil || c.to.agent == nil || c.from.snap == nil || c.to.snap == nil:
		return // missing, as its areas are
	}
	defer c.d.View.Wait(fmt.Sprintf("sample the endpoints of both sides for %s", how.duration))()
	var placed [2][]agent.Placed
	var errs [2]error
	var wg sync.WaitGroup
	for i, s := range []*side{c.from, c.to} {
		wg.Go(func() {
			errs[i] = s.agent.Call(ctx, "places", agent.PlacesRequest{Spec: s.env.Spec, Endpoints: how.endpoints}, &placed[i], nil)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			c.in.Latency = []compare.Latency{{Error: fmt.Sprintf("the endpoints of %s could not be found: %v", []*side{c.from, c.to}[i].name, err)}}
			return
		}
	}
	targets := pairs(placed[0], placed[1])
	c.in.Latency = c.run(ctx, targets, how)
	if len(targets) == 0 {
		c.in.PerformanceOff = "no service has an endpoint that could be asked"
	}
}

// measuredPair is one endpoint and its places on both sides.
type measuredPair struct {
	endpoint agent.Endpoint
	at       [2]agent.Placed
	why      string // it cannot be measured
}

// pairs are the endpoints that either side has.
func pairs(from, to []agent.Placed) []measuredPair {
	var out []measuredPair
	for _, f := range from {
		p := measuredPair{endpoint: f.Endpoint, at: [2]agent.Placed{f}}
		at := slices.IndexFunc(to, func(t agent.Placed) bool { return t.Service == f.Service && t.Path == f.Path })
		switch {
		case at < 0:
			p.why = "the target does not have it"
		default:
			p.at[1] = to[at]
			p.why = cmpWhy(f.Error, to[at].Error)
		}
		out = append(out, p)
	}
	return out
}

func cmpWhy(from, to string) string {
	switch {
	case from != "":
		return "in the source: " + from
	case to != "":
		return "in the target: " + to
	}
	return ""
}

// run sends requests at the rate, the two sides one after the other and in turn first.
func (c *comparing) run(ctx context.Context, targets []measuredPair, how sampling) []compare.Latency {
	out := make([]compare.Latency, len(targets))
	measurable := 0
	for i, t := range targets {
		out[i] = compare.Latency{Service: t.endpoint.Service, Path: t.endpoint.Path, Error: t.why}
		if t.why == "" {
			measurable++
		}
	}
	if measurable == 0 {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, how.duration+time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Duration(float64(time.Second) / how.rate))
	defer tick.Stop()
	rounds := max(1, int(how.duration.Seconds()*how.rate))
	warm := 2 // the first answers pay for what is made at the first request
	for n := range rounds + warm {
		for i, t := range targets {
			if t.why != "" || out[i].Error != "" {
				continue
			}
			order := []int{0, 1}
			if (n+i)%2 == 1 {
				order = []int{1, 0}
			}
			for _, side := range order {
				s, err := c.one(ctx, side, t, n)
				if err != nil {
					out[i].Error = err.Error()
					break
				}
				if n >= warm {
					record(&out[i], side, s)
				}
			}
		}
		select {
		case <-ctx.Done():
			for i := range out {
				if out[i].Error == "" {
					out[i].Error = "sampling was cut off"
				}
			}
			return out
		case <-tick.C:
		}
	}
	return out
}

// one asks the replicas of one side in turn.
func (c *comparing) one(ctx context.Context, at int, t measuredPair, n int) (agent.Sample, error) {
	s := []*side{c.from, c.to}[at]
	places := t.at[at].Places
	var sample agent.Sample
	err := s.agent.Call(ctx, "sample", agent.SampleRequest{Place: places[n%len(places)], Path: t.endpoint.Path, Timeout: sampleTimeout}, &sample, nil)
	return sample, err
}

func record(l *compare.Latency, at int, s agent.Sample) {
	switch {
	case s.Error != "" && at == 0:
		l.FromErrors++
	case s.Error != "":
		l.ToErrors++
	case at == 0:
		l.From = append(l.From, s.Milliseconds)
	default:
		l.To = append(l.To, s.Milliseconds)
	}
}
