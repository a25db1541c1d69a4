package compose

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/org/promote-action/internal/engine"
)

// RecordFormat is the version of Record that this program writes and reads.
const RecordFormat = 1

// Record is everything that brings a project's containers back exactly as they were. It holds secrets. It goes through
// encoding/json without loss.
type Record struct {
	Format     int                 `json:"format"`
	Project    string              `json:"project"`
	Taken      time.Time           `json:"taken"`
	Containers []RecordedContainer `json:"containers"`
	Networks   []RecordedNetwork   `json:"networks"`
	Volumes    []engine.Volume     `json:"volumes"`
}

// RecordedContainer is one container in the engine's own words.
type RecordedContainer struct {
	ID        string                               `json:"id"`
	Name      string                               `json:"name"`
	Service   string                               `json:"service"`
	ImageID   string                               `json:"image_id"`
	State     string                               `json:"state"`            // created, running, paused, restarting, exited, dead
	Unwell    bool                                 `json:"unwell,omitempty"` // it was unhealthy or restarting all the time
	DependsOn []engine.Dependency                  `json:"depends_on,omitempty"`
	Config    *container.Config                    `json:"config"`
	Host      *container.HostConfig                `json:"host"`
	Networks  map[string]*network.EndpointSettings `json:"networks"`
	Mounts    []engine.Mount                       `json:"mounts,omitempty"`
	Files     []RecordedFile                       `json:"files,omitempty"` // configs and secrets copied in
	Peers     map[string]string                    `json:"peers,omitempty"` // container IDs that Host names → their names
}

// RecordedFile is a file that Compose copied into a container.
type RecordedFile struct {
	Path string `json:"path"`
	Mode int64  `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	Data []byte `json:"data"`
}

// RecordedNetwork is a network that the containers are on.
type RecordedNetwork struct {
	ID       string          `json:"id"`
	External bool            `json:"external"` // not the project's own
	Spec     network.Inspect `json:"spec"`     // without containers
}

// Running reports whether the container was at work.
func (c RecordedContainer) Running() bool { return active(c.State) }

// Record reads the project. m, which may be nil, is a model of it as it runs: from it come the paths of configs and
// secrets that were copied into the containers, to be carried along, and the dependencies that labels do not tell.
// Containers of single runs are not part of the record.
func (e *Engine) Record(ctx context.Context, project string, m *Model) (Record, error) {
	services := map[string]engine.Service{}
	if m != nil {
		for _, s := range m.Services() {
			services[s.Name] = s
		}
	}
	rec := Record{Format: RecordFormat, Project: project, Taken: time.Now().UTC()}
	all, err := e.inspectAll(ctx, ofProject(project))
	if err != nil {
		return rec, fmt.Errorf("record: %w", err)
	}
	peers := map[string]string{}
	for _, in := range all {
		peers[in.ID] = strings.TrimPrefix(in.Name, "/")
	}
	for _, in := range all {
		c := describe(in)
		if c.OneOff {
			continue
		}
		rc := recorded(in, c, peers)
		rc.DependsOn = joinDependencies(rc.DependsOn, services[c.Service].DependsOn)
		for _, path := range services[c.Service].Injected {
			f, err := e.readFile(ctx, c.ID, path)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return rec, fmt.Errorf("record: %w", err)
			}
			rc.Files = append(rc.Files, f)
		}
		rec.Containers = append(rec.Containers, rc)
	}
	slices.SortFunc(rec.Containers, func(a, b RecordedContainer) int { return strings.Compare(a.Name, b.Name) })
	if err := e.recordNetworks(ctx, &rec); err != nil {
		return rec, fmt.Errorf("record: %w", err)
	}
	if err := e.recordVolumes(ctx, &rec); err != nil {
		return rec, fmt.Errorf("record: %w", err)
	}
	return rec, nil
}

// joinDependencies adds to what the labels say what only the model knows: old programs wrote no such label, and a
// deployment whose one-shots were run before leaves them out.
func joinDependencies(labels, model []engine.Dependency) []engine.Dependency {
	out := slices.Clone(labels)
	for _, d := range model {
		if !slices.ContainsFunc(out, func(o engine.Dependency) bool { return o.Service == d.Service }) {
			out = append(out, d)
		}
	}
	return out
}

func recorded(in container.InspectResponse, c engine.Container, peers map[string]string) RecordedContainer {
	rc := RecordedContainer{
		ID: c.ID, Name: c.Name, Service: c.Service, ImageID: c.ImageID, State: c.State, DependsOn: c.DependsOn,
		Unwell: c.Health == "unhealthy" || c.State == "restarting",
		Config: in.Config, Host: in.HostConfig, Networks: map[string]*network.EndpointSettings{}, Mounts: c.Mounts,
	}
	if in.NetworkSettings != nil {
		rc.Networks = in.NetworkSettings.Networks
	}
	for _, ref := range namespaces(in.HostConfig) {
		id, ok := strings.CutPrefix(*ref, "container:")
		if name := peers[id]; ok && name != "" {
			if rc.Peers == nil {
				rc.Peers = map[string]string{}
			}
			rc.Peers[id] = name
		}
	}
	for _, from := range in.HostConfig.VolumesFrom {
		id, _, _ := strings.Cut(from, ":")
		if name := peers[id]; name != "" {
			if rc.Peers == nil {
				rc.Peers = map[string]string{}
			}
			rc.Peers[id] = name
		}
	}
	return rc
}

// namespaces points at the settings that may name another container.
func namespaces(h *container.HostConfig) []*string {
	return []*string{(*string)(&h.NetworkMode), (*string)(&h.IpcMode), (*string)(&h.PidMode)}
}

func (e *Engine) readFile(ctx context.Context, id, path string) (RecordedFile, error) {
	a, err := e.CopyFrom(ctx, id, path)
	if err != nil {
		return RecordedFile{}, err
	}
	defer a.Close()
	h, err := a.Next()
	if err != nil {
		return RecordedFile{}, fmt.Errorf("copy %s out of %s: %w", path, short(id), err)
	}
	if h.Typeflag != tar.TypeReg {
		return RecordedFile{}, fmt.Errorf("%s in %s: %w as a regular file", path, short(id), ErrNotFound)
	}
	data, err := io.ReadAll(a)
	if err != nil {
		return RecordedFile{}, fmt.Errorf("copy %s out of %s: %w", path, short(id), err)
	}
	return RecordedFile{Path: path, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid, Data: data}, nil
}

func (e *Engine) recordNetworks(ctx context.Context, rec *Record) error {
	own, err := e.api.NetworkList(ctx, network.ListOptions{Filters: ofProject(rec.Project)})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	names := map[string]bool{} // → external
	for _, n := range own {
		names[n.Name] = false
	}
	for _, c := range rec.Containers {
		for name := range c.Networks {
			if _, ok := names[name]; !ok {
				names[name] = true
			}
		}
	}
	for name, external := range names {
		in, err := e.api.NetworkInspect(ctx, name, network.InspectOptions{})
		if err != nil {
			return fmt.Errorf("network %s: %w", name, err)
		}
		in.Containers = nil
		rec.Networks = append(rec.Networks, RecordedNetwork{ID: in.ID, External: external, Spec: in})
	}
	slices.SortFunc(rec.Networks, func(a, b RecordedNetwork) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return nil
}

func (e *Engine) recordVolumes(ctx context.Context, rec *Record) error {
	names := map[string]bool{}
	for _, c := range rec.Containers {
		for _, m := range c.Mounts {
			if m.Type == "volume" && m.Name != "" {
				names[m.Name] = true
			}
		}
	}
	for name := range names {
		v, err := e.Volume(ctx, name)
		if err != nil {
			return err
		}
		rec.Volumes = append(rec.Volumes, v)
	}
	slices.SortFunc(rec.Volumes, func(a, b engine.Volume) int { return strings.Compare(a.Name, b.Name) })
	return nil
}
