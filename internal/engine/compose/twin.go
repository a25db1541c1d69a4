package compose

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/org/promote-action/internal/engine"
)

// Twin is a second stack beside a real one, for trying what must not be tried there: its containers are like the real ones,
// but know nothing outside of one closed network, publish no port, hold none of the real volumes and do not start again.
type Twin struct {
	Project string            // its own
	Labels  map[string]string // of everything that is made for it
}

// Network is the name of the twin's only network.
func (t Twin) Network() string { return t.Project }

// OpenTwin makes the twin's network: no route leads out of it, and the engine's host has no address in it where the engine
// can leave that out.
func (e *Engine) OpenTwin(ctx context.Context, t Twin) error {
	_, err := e.api.NetworkCreate(ctx, t.Network(), network.CreateOptions{
		Driver: "bridge", Internal: true, Labels: t.Labels,
		Options: map[string]string{"com.docker.network.bridge.inhibit_ipv4": "true", "com.docker.network.bridge.enable_icc": "true"},
	})
	if err != nil {
		return fmt.Errorf("create network %s: %w", t.Network(), err)
	}
	return nil
}

// EmptyTwin removes the twin's containers, but those of the services in keep, with the volumes that only they had.
func (e *Engine) EmptyTwin(ctx context.Context, t Twin, keep ...string) error {
	all, err := e.Containers(ctx, t.Project)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range all {
		if !slices.Contains(keep, c.Service) {
			errs = append(errs, e.remove(ctx, c.ID, true))
		}
	}
	return errors.Join(errs...)
}

// CloseTwin removes all that there is of a twin. Whoever else is in its network is taken off it.
func (e *Engine) CloseTwin(ctx context.Context, t Twin) error {
	if err := e.EmptyTwin(ctx, t); err != nil {
		return err
	}
	in, err := e.api.NetworkInspect(ctx, t.Network(), network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("network %s: %w", t.Network(), err)
	}
	for key, value := range t.Labels {
		if in.Labels[key] != value {
			return fmt.Errorf("network %s is not what promote made: it has no label %s=%s", t.Network(), key, value)
		}
	}
	for id := range in.Containers {
		if err := e.DisconnectNetwork(ctx, in.ID, id); err != nil {
			return err
		}
	}
	if err := e.api.NetworkRemove(ctx, in.ID); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", t.Network(), err)
	}
	return nil
}

// Twin makes the record one of the twin: of each service one container that ran, with its image, environment and files.
// Services that cannot be had alone, since they live in the namespace of another container, are left out and named.
func (rec Record) Twin(t Twin) (twin Record, left []string, err error) {
	twin = Record{Format: rec.Format, Project: t.Project, Taken: rec.Taken}
	var seen []string
	for _, rc := range rec.Containers {
		if !rc.Running() || slices.Contains(seen, rc.Service) {
			continue
		}
		seen = append(seen, rc.Service)
		if rc.Host.NetworkMode.IsContainer() {
			left = append(left, rc.Service)
			continue
		}
		c, err := clone(rc)
		if err != nil {
			return twin, nil, err
		}
		twin.Containers = append(twin.Containers, t.container(c))
	}
	if len(twin.Containers) > 0 {
		twin.Networks = []RecordedNetwork{{External: true, Spec: network.Inspect{Name: t.Network()}}}
	}
	return twin, left, nil
}

// Only is the record of some services.
func (rec Record) Only(services ...string) Record {
	out := rec
	out.Containers = nil
	for _, rc := range rec.Containers {
		if slices.Contains(services, rc.Service) {
			out.Containers = append(out.Containers, rc)
		}
	}
	return out
}

func (t Twin) container(c RecordedContainer) RecordedContainer {
	names := []string{c.Service, c.Name}
	for _, ep := range c.Networks {
		if ep != nil {
			names = append(names, endpoint(c.ID, &network.EndpointSettings{Aliases: ep.Aliases}).Aliases...)
		}
	}
	slices.Sort(names)
	if len(c.Config.Hostname) == 12 && strings.HasPrefix(c.ID, c.Config.Hostname) {
		c.Config.Hostname = ""
	}
	c.Config.Image, c.Config.MacAddress = c.ImageID, "" //nolint:staticcheck // an old engine has it there
	labels := map[string]string{}
	for key, value := range c.Config.Labels {
		if strings.HasPrefix(key, "com.docker.compose.") {
			labels[key] = value
		}
	}
	for key, value := range t.Labels {
		labels[key] = value
	}
	labels[api.ProjectLabel] = t.Project
	c.Config.Labels = labels
	c.ID, c.State, c.Unwell, c.Peers = t.Project+"/"+c.Service, "running", false, nil // no container has that id
	c.Host = t.host(c)
	c.Mounts = nil
	c.Name = t.Project + "-" + c.Service
	c.Networks = map[string]*network.EndpointSettings{t.Network(): {Aliases: slices.Compact(names)}}
	return c
}

// host is what of a container's surroundings the twin may have.
func (t Twin) host(c RecordedContainer) *container.HostConfig {
	was := c.Host
	h := &container.HostConfig{
		NetworkMode: container.NetworkMode(t.Network()), RestartPolicy: container.RestartPolicy{Name: "no"}, LogConfig: twinLogs(), DNS: []string{nowhere},
		CapDrop: was.CapDrop, GroupAdd: was.GroupAdd, OomScoreAdj: was.OomScoreAdj, ReadonlyRootfs: was.ReadonlyRootfs, Tmpfs: was.Tmpfs, ShmSize: was.ShmSize, Sysctls: was.Sysctls, Init: was.Init,
	}
	r := was.Resources
	h.Resources = container.Resources{
		CPUShares: r.CPUShares, Memory: r.Memory, NanoCPUs: r.NanoCPUs, CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota, CpusetCpus: r.CpusetCpus, CpusetMems: r.CpusetMems,
		MemoryReservation: r.MemoryReservation, MemorySwap: r.MemorySwap, MemorySwappiness: r.MemorySwappiness, PidsLimit: r.PidsLimit, Ulimits: r.Ulimits,
	}
	for _, m := range c.Mounts {
		if mounted, ok := twinMount(m); ok {
			h.Mounts = append(h.Mounts, mounted)
		}
	}
	for _, m := range was.Mounts {
		if m.Type == mount.TypeTmpfs {
			h.Mounts = append(h.Mounts, m)
		}
	}
	return h
}

// nowhere is a name server that answers nothing: the engine's own would ask the world for names that it does not know.
const nowhere = "127.0.0.1"

// twinLogs stay on the engine's host, whatever the real container does with its own.
func twinLogs() container.LogConfig {
	return container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "20m", "max-file": "1"}}
}

// twinMount is what a twin has in the place of a mount: a new volume for a volume, and of the host's files those that are
// only read. The sockets of the host are not among them.
func twinMount(m engine.Mount) (mount.Mount, bool) {
	switch m.Type {
	case "volume":
		return mount.Mount{Type: mount.TypeVolume, Target: m.Target}, true
	case "bind":
		return mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: true}, harmlessPath(m.Source)
	}
	return mount.Mount{}, false
}

// harmlessPath reports whether a path of the engine's host may be shown to a container that nobody knows yet.
func harmlessPath(p string) bool {
	p = path.Clean(p)
	if p == "/" || strings.HasSuffix(p, ".sock") {
		return false
	}
	for _, root := range []string{"/run", "/var/run", "/proc", "/sys", "/dev", "/var/lib/docker"} {
		if p == root || strings.HasPrefix(p, root+"/") {
			return false
		}
	}
	return p != "/var" && p != "/var/lib"
}
