package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// lookTime bounds one request of a look.
const lookTime = 10 * time.Second

// Look is an environment as its users and its engine see it, read without any part of promote: a second witness.
type Look struct {
	Images   map[string]string `json:"images"`   // service to image id
	Versions map[string]string `json:"versions"` // service to the version that it serves
	Orders   int64             `json:"orders"`
}

// Look reads a running environment.
func (e Environment) Look(ctx context.Context, engine client.APIClient) (Look, error) {
	l := Look{Images: map[string]string{}, Versions: map[string]string{}}
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", projectLabel+"="+e.Project))})
	if err != nil {
		return l, fmt.Errorf("demo: look at %s: %w", e.Name, err)
	}
	for _, c := range list {
		service := c.Labels[serviceLabel]
		l.Images[service] = c.ImageID
		if c.State != "running" && service != "migrate" {
			return l, fmt.Errorf("demo: look at %s: %s is %s", e.Name, service, c.State)
		}
	}
	for _, service := range []string{"web", "api", "orders"} {
		var told struct {
			Version string `json:"version"`
		}
		if err := e.ask(ctx, engine, service, "/version", &told); err != nil {
			return l, fmt.Errorf("demo: look at %s: %w", e.Name, err)
		}
		l.Versions[service] = told.Version
	}
	var count struct {
		Orders int64 `json:"orders"`
	}
	if err := e.ask(ctx, engine, "orders", "/orders/count", &count); err != nil {
		return l, fmt.Errorf("demo: look at %s: %w", e.Name, err)
	}
	l.Orders = count.Orders
	return l, nil
}

func (e Environment) ask(ctx context.Context, engine client.APIClient, service, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	url, err := e.URL(ctx, engine, service)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answers %s", service, path, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(answer)
}

// Differences says in words what of l is not as it was.
func (l Look) Differences(was Look) []string {
	var out []string
	compare := func(what string, was, is map[string]string) {
		for _, name := range slices.Sorted(maps.Keys(union(was, is))) {
			if was[name] != is[name] {
				out = append(out, fmt.Sprintf("%s of %s: %q before, %q now", what, name, was[name], is[name]))
			}
		}
	}
	compare("image", was.Images, l.Images)
	compare("version", was.Versions, l.Versions)
	if l.Orders != was.Orders {
		out = append(out, fmt.Sprintf("orders: %d before, %d now", was.Orders, l.Orders))
	}
	return out
}

func union(a, b map[string]string) map[string]string {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}
