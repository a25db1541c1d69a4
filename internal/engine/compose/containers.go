package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/go-connections/nat"
	"golang.org/x/sync/errgroup"

	"github.com/org/promote-action/internal/engine"
)

// Containers lists the project's containers, stopped and one-off ones too, by service and number.
func (e *Engine) Containers(ctx context.Context, project string) ([]engine.Container, error) {
	return e.list(ctx, ofProject(project))
}

// FindByLabel lists the containers that carry label, given as KEY or KEY=VALUE.
func (e *Engine) FindByLabel(ctx context.Context, label string) ([]engine.Container, error) {
	return e.list(ctx, filters.NewArgs(filters.Arg("label", label)))
}

// Container describes one container, by ID or name.
func (e *Engine) Container(ctx context.Context, id string) (engine.Container, error) {
	in, err := e.api.ContainerInspect(ctx, id)
	if err != nil {
		return engine.Container{}, notFound(fmt.Errorf("container %s: %w", short(id), err))
	}
	return describe(in), nil
}

func (e *Engine) list(ctx context.Context, args filters.Args) ([]engine.Container, error) {
	raw, err := e.inspectAll(ctx, args)
	if err != nil {
		return nil, err
	}
	out := make([]engine.Container, 0, len(raw))
	for _, in := range raw {
		out = append(out, describe(in))
	}
	slices.SortFunc(out, func(a, b engine.Container) int {
		if c := strings.Compare(a.Service, b.Service); c != 0 {
			return c
		}
		if c := a.Number - b.Number; c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}

// inspectAll inspects what args select; a container that goes meanwhile is left out.
func (e *Engine) inspectAll(ctx context.Context, args filters.Args) ([]container.InspectResponse, error) {
	sums, err := e.api.ContainerList(ctx, container.ListOptions{All: true, Filters: args})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	all := make([]*container.InspectResponse, len(sums))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, s := range sums {
		g.Go(func() error {
			in, err := e.api.ContainerInspect(gctx, s.ID)
			if errdefs.IsNotFound(err) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("container %s: %w", short(s.ID), err)
			}
			all[i] = &in
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []container.InspectResponse
	for _, in := range all {
		if in != nil {
			out = append(out, *in)
		}
	}
	return out, nil
}

// describe translates what the engine says of a container.
func describe(in container.InspectResponse) engine.Container {
	c := engine.Container{Addresses: map[string]string{}, Env: map[string]string{}, Labels: map[string]string{}}
	if in.ContainerJSONBase == nil || in.Config == nil {
		return c
	}
	c.ID, c.Name, c.ImageID = in.ID, strings.TrimPrefix(in.Name, "/"), in.Image
	c.CreatedAt, c.Restarts = parseTime(in.Created), in.RestartCount
	describeConfig(&c, in.Config)
	describeState(&c, in.State)
	if in.HostConfig != nil {
		c.RestartPolicy = string(in.HostConfig.RestartPolicy.Name)
		if c.RestartPolicy == "" {
			c.RestartPolicy = "no"
		}
		c.MaxRetries = in.HostConfig.RestartPolicy.MaximumRetryCount
		c.NetworkMode = string(in.HostConfig.NetworkMode)
	}
	for _, m := range in.Mounts {
		c.Mounts = append(c.Mounts, engine.Mount{Type: string(m.Type), Name: m.Name, Source: m.Source, Target: m.Destination, RW: m.RW})
	}
	slices.SortFunc(c.Mounts, func(a, b engine.Mount) int { return strings.Compare(a.Target, b.Target) })
	if in.NetworkSettings != nil {
		for name, ep := range in.NetworkSettings.Networks {
			c.Addresses[name] = ep.IPAddress
		}
		c.Ports = published(in.NetworkSettings.Ports)
	}
	return c
}

func describeConfig(c *engine.Container, conf *container.Config) {
	c.Image, c.StopSignal, c.Labels = conf.Image, conf.StopSignal, conf.Labels
	c.Service = conf.Labels[api.ServiceLabel]
	c.Number = number(conf.Labels[api.ContainerNumberLabel])
	c.OneOff = strings.EqualFold(conf.Labels[api.OneoffLabel], "true")
	c.ConfigHash = conf.Labels[api.ConfigHashLabel]
	c.ComposeVersion = conf.Labels[api.VersionLabel]
	c.DependsOn = dependencies(conf.Labels[api.DependenciesLabel])
	c.Env = environment(conf.Env)
	c.StopTimeout = 10 * time.Second
	if conf.StopTimeout != nil {
		c.StopTimeout = time.Duration(*conf.StopTimeout) * time.Second
	}
	for p := range conf.ExposedPorts {
		c.Exposed = append(c.Exposed, engine.Port{Port: p.Int(), Protocol: p.Proto()})
	}
	sortPorts(c.Exposed)
	c.HasHealthcheck = conf.Healthcheck != nil && len(conf.Healthcheck.Test) > 0 && conf.Healthcheck.Test[0] != "NONE"
}

func describeState(c *engine.Container, s *container.State) {
	if s == nil {
		return
	}
	c.State, c.ExitCode, c.OOMKilled = s.Status, s.ExitCode, s.OOMKilled
	c.StartedAt, c.FinishedAt = parseTime(s.StartedAt), parseTime(s.FinishedAt)
	if s.Health == nil || s.Health.Status == container.NoHealthcheck {
		return
	}
	c.Health = s.Health.Status
	for _, h := range s.Health.Log {
		c.HealthLog = append(c.HealthLog, engine.Probe{Time: h.End, Exit: h.ExitCode, Output: strings.TrimSpace(h.Output)})
	}
}

func published(ports nat.PortMap) []engine.Port {
	var out []engine.Port
	for p, bindings := range ports {
		for _, b := range bindings {
			out = append(out, engine.Port{Port: p.Int(), Protocol: p.Proto(), HostIP: b.HostIP, HostPort: number(b.HostPort)})
		}
	}
	sortPorts(out)
	return out
}

func sortPorts(p []engine.Port) {
	slices.SortFunc(p, func(a, b engine.Port) int {
		if a.Port != b.Port {
			return a.Port - b.Port
		}
		if c := strings.Compare(a.Protocol, b.Protocol); c != 0 {
			return c
		}
		return strings.Compare(a.HostIP, b.HostIP)
	})
}

func environment(list []string) map[string]string {
	out := make(map[string]string, len(list))
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		out[k] = v
	}
	return out
}

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
