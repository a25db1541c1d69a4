package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/org/promote-action/internal/check"
)

// PlacesRequest asks where endpoints are; without any, for the one of each service that stands for its latency.
type PlacesRequest struct {
	Spec      Spec       `json:"spec"`
	Endpoints []Endpoint `json:"endpoints,omitempty"`
}

// Endpoint is a path of a service that is measured.
type Endpoint struct {
	Service string `json:"service"`
	Port    int    `json:"port,omitempty"` // 0: the one that its checks ask
	Path    string `json:"path"`
}

// Placed is an endpoint and where its replicas are, or why it has none.
type Placed struct {
	Endpoint
	Places []check.Place `json:"places,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// SampleRequest asks one place once.
type SampleRequest struct {
	Place   check.Place   `json:"place"`
	Path    string        `json:"path"`
	Timeout time.Duration `json:"timeout"`
}

// Sample is how long an answer took, or why there was none that counts.
type Sample struct {
	Milliseconds float64 `json:"ms"`
	Error        string  `json:"error,omitempty"`
}

// places finds what is measured in the environment.
func (s *Server) places(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[PlacesRequest](in)
	if err != nil {
		return nil, err
	}
	subject, err := s.environment(req.Spec).subject(ctx)
	if err != nil {
		return nil, err
	}
	endpoints := req.Endpoints
	if len(endpoints) == 0 {
		for _, svc := range subject.Services {
			if path := svc.Measured(); path != "" && !svc.OneShot {
				endpoints = append(endpoints, Endpoint{Service: svc.Name, Path: path})
			}
		}
	}
	out := make([]Placed, 0, len(endpoints))
	for _, e := range endpoints {
		p := Placed{Endpoint: e}
		if p.Places, err = subject.Places(e.Service, e.Port); err != nil {
			p.Error = err.Error()
		}
		out = append(out, p)
	}
	return out, nil
}

// sample sends one request. The time is taken here, beside the service, so that the way to the driver is no part of it.
func (s *Server) sample(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	req, err := decode[SampleRequest](in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, req.Timeout)
	defer cancel()
	a, err := check.Fetch(ctx, req.Place, req.Path, nil)
	switch {
	case err != nil:
		return Sample{Error: err.Error()}, nil
	case !a.Good():
		return Sample{Error: "an answer that is no success"}, nil
	}
	return Sample{Milliseconds: float64(a.Took.Microseconds()) / 1000}, nil
}
