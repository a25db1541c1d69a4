package driver

import (
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/compare"
)

// compareInput is what the configuration says about a comparison.
func (d *Driver) compareInput() compare.Input {
	return compare.Input{
		Services: map[string]compare.Service{}, Policy: d.Config.ComparePolicy(), Rules: d.Config.CompareRules(), Accepted: d.Config.Accepted(), FlagSources: d.Config.FlagNames(),
	}
}

// weighed is what is known of the services of an environment: which are critical, and what is good enough of them.
func weighed(env *Environment, into map[string]compare.Service) {
	for name, svc := range env.Spec.Services {
		known := into[name]
		known.Critical = known.Critical || svc.Critical
		known.OneShot = known.OneShot || svc.OneShot
		known.Endpoint = known.Endpoint || svc.Version.Path != ""
		known.P95 = float64(svc.P95) / float64(time.Millisecond)
		if rate := svc.ErrorRate; rate > 0 {
			known.ErrorRate = &rate
		}
		into[name] = known
	}
}

// flagSources are where flags are read. What their headers hold is hidden from everything that is shown.
func (d *Driver) flagSources() []agent.FlagSource {
	var out []agent.FlagSource
	for _, f := range d.Config.Compare.Flags {
		source := agent.FlagSource{
			Name: f.Name, Kind: string(f.Kind), Service: f.Service, Prefix: f.Prefix, Port: f.Port, Path: f.Path, URL: f.URL, Field: f.Field, Database: f.Database, Query: f.Query,
		}
		for name, value := range f.Header {
			if source.Header == nil {
				source.Header = map[string]string{}
			}
			source.Header[name] = value.Reveal()
			if d.Redact != nil && value.Reveal() != "" {
				d.Redact(value.Reveal())
			}
		}
		out = append(out, source)
	}
	return out
}

// sampling is how endpoints are sampled, and whether that is on without being asked for.
func (d *Driver) sampling() (sampling, bool) {
	p := d.Config.Compare.Performance
	how := sampling{rate: float64(p.Rate), duration: time.Duration(p.Duration)}
	for _, e := range p.Endpoints {
		how.endpoints = append(how.endpoints, agent.Endpoint{Service: e.Service, Port: e.Port, Path: e.Path})
	}
	return how, p.Enabled
}
