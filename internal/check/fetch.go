package check

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Place is where one replica of a service is asked.
type Place struct {
	Service string `json:"service"` // as the Host header names it
	IP      string `json:"ip"`
	Port    int    `json:"port"`
}

// Answer is what a place said to one request, and how long that took.
type Answer struct {
	Status int
	Body   []byte // the first MiB
	Took   time.Duration
}

// Good reports whether the status is one of a request that went well.
func (a Answer) Good() bool { return a.Status >= 200 && a.Status < 400 }

// Places are the replicas of a service that run and have an address. A port of 0 is the one that its checks ask.
func (s Subject) Places(service string, port int) ([]Place, error) {
	svc, known := s.service(service)
	if !known {
		return nil, fmt.Errorf("there is no service %s", service)
	}
	port, err := portOf(svc, port)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", service, err)
	}
	var out []Place
	for _, c := range svc.Containers {
		if c.State == "running" && c.IP != "" {
			out = append(out, Place{Service: svc.host(), IP: c.IP, Port: port})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no replica of service %s runs and has an address", service)
	}
	return out, nil
}

// Measured is the path whose latency stands for the service; empty when it has none.
func (s Service) Measured() string {
	path, _ := measured(s)
	return path
}

// Fetch sends one GET on a connection of its own. Redirects to elsewhere are not followed.
func Fetch(ctx context.Context, p Place, path string, header http.Header) (Answer, error) {
	e, err := at(Service{Name: p.Service}, Container{IP: p.IP}, p.Port, path, "")
	if err != nil {
		return Answer{}, err
	}
	e.header = header
	r, err := get(ctx, e, true)
	return Answer{Status: r.status, Body: r.body, Took: r.took}, err
}
