package agent

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/snapshot"
)

// Of mounted files no more than this is read and hashed, for each mount; larger ones are data, not configuration.
const (
	mountedBytes = 1 << 20
	mountedFiles = 200
)

// configs reads the effective configuration of each service from its containers.
func (d *detailer) configs(ctx context.Context, all []engine.Container) (map[string]snapshot.Config, error) {
	settings, err := d.env.engine.Settings(ctx, d.env.spec.Project)
	if err != nil {
		return nil, err
	}
	states := map[string]string{}
	for _, c := range all {
		states[c.ID] = c.State
	}
	chosen, replicas := map[string]engine.Settings{}, map[string]int{}
	for _, s := range settings {
		running := states[s.ContainerID] == "running"
		if running {
			replicas[s.Service]++
		}
		if before, known := chosen[s.Service]; !known || running && states[before.ContainerID] != "running" {
			chosen[s.Service] = s
		}
	}
	out := map[string]snapshot.Config{}
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		c := d.config(ctx, chosen[name])
		c.Replicas = replicas[name]
		out[name] = c
	}
	return out, nil
}

func (d *detailer) config(ctx context.Context, s engine.Settings) snapshot.Config {
	reader := d.reader.Of(s.Service)
	c := snapshot.Config{
		Variables: []snapshot.Variable{}, Command: reader.Words(s.Command), Entrypoint: reader.Words(s.Entrypoint), User: s.User, WorkingDir: s.WorkingDir,
		Ports: s.Ports, Networks: s.Networks, Memory: s.Memory, CPUs: s.CPUs, PIDs: s.PIDs, Restart: s.Restart, Options: map[string]string{},
	}
	for _, v := range s.Env {
		for _, read := range reader.Read(v.Name, v.Value) {
			read.Image = v.Image
			c.Variables = append(c.Variables, read)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		c.Labels = append(c.Labels, reader.Read(name, s.Labels[name])...)
	}
	if s.Healthcheck != "" {
		c.Healthcheck = reader.Words([]string{s.Healthcheck})[0]
	}
	for name, value := range s.Options {
		c.Options[name] = reader.Words([]string{value})[0]
	}
	for _, m := range s.Mounts {
		mount, problem := d.mount(ctx, s.ContainerID, m)
		if problem != nil {
			c.Errors = append(c.Errors, problem.Error())
		}
		c.Mounts = append(c.Mounts, mount)
	}
	for _, path := range d.env.spec.Services[s.Service].Injected {
		mount, problem := d.mount(ctx, s.ContainerID, engine.Mount{Type: "config", Target: path})
		if problem != nil {
			c.Errors = append(c.Errors, problem.Error())
		}
		c.Mounts = append(c.Mounts, mount)
	}
	return c
}

// secretsDir is where Compose puts secrets.
const secretsDir = "/run/secrets/"

// mount describes a mount, with the hash of what it holds where that is configuration: a file, or a folder that the
// container may only read.
func (d *detailer) mount(ctx context.Context, container string, m engine.Mount) (snapshot.Mount, error) {
	out := snapshot.Mount{Target: m.Target, Type: m.Type, Source: m.Source, ReadOnly: !m.RW}
	switch {
	case m.Type == "volume":
		out.Source = m.Name
		if anonymous(m.Name) {
			out.Source = ""
		}
		return out, nil
	case strings.HasPrefix(m.Target, secretsDir):
		out.Type, out.Source = "secret", ""
	case m.Type != "bind" && m.Type != "config":
		return out, nil
	}
	mode, size, err := d.env.engine.Stat(ctx, container, m.Target)
	switch {
	case errors.Is(err, compose.ErrNotFound) && m.Type == "config":
		return out, fmt.Errorf("%s is not in the container, although its Compose model names it", m.Target)
	case err != nil:
		return out, fmt.Errorf("%s: %w", m.Target, err)
	case mode.IsRegular() && out.Type != "secret":
		out.Size = size
	case !mode.IsRegular() && (!mode.IsDir() || m.RW): // a socket, a device, or a folder of data
		return out, nil
	}
	if mode.IsRegular() && size > mountedBytes {
		return out, nil
	}
	content, err := d.content(ctx, container, m.Target, mode)
	if errors.Is(err, errLarge) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("%s: %w", m.Target, err)
	}
	out.Hash = d.reader.File(content)
	return out, nil
}

// errLarge is a folder with more in it than configuration has.
var errLarge = errors.New("too large for configuration")

// content is a file, or the names and contents of all files of a folder.
func (d *detailer) content(ctx context.Context, container, path string, mode fs.FileMode) ([]byte, error) {
	archive, err := d.env.engine.CopyFrom(ctx, container, path)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	var content []byte
	files := map[string][]byte{}
	total := 0
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(archive, mountedBytes+1))
		if err != nil {
			return nil, err
		}
		total += len(data)
		files[h.Name] = data
		if total > mountedBytes || len(files) > mountedFiles {
			return nil, errLarge
		}
		content = data
	}
	if mode.IsRegular() {
		return content, nil
	}
	content = nil
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content = fmt.Appendf(content, "%q %d\n", name, len(files[name]))
		content = append(content, files[name]...)
	}
	return content, nil
}
