package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/org/promote-action/internal/engine"
)

// ToolSpec is a container of our own that runs to its end.
type ToolSpec struct {
	Name             string
	Image            string
	Entrypoint       []string // nil keeps the image's
	Args             []string
	Env              map[string]string
	User             string
	NetworkContainer string   // join this container's network, or
	Networks         []string // these; neither means no network at all
	Mounts           []engine.Mount
	Labels           map[string]string
	Stdin            io.Reader // nil for none
	Stdout           io.Writer // nil drops it
}

// RunTool runs the container, returns its exit code and the end of its standard error, and removes it in every case.
func (e *Engine) RunTool(ctx context.Context, s ToolSpec) (code int, stderr string, err error) {
	conf := &container.Config{
		Image: s.Image, Cmd: s.Args, Entrypoint: s.Entrypoint, Env: envList(s.Env), User: s.User, Labels: s.Labels,
		OpenStdin: s.Stdin != nil, StdinOnce: s.Stdin != nil, AttachStdout: true, AttachStderr: true,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	host := &container.HostConfig{LogConfig: container.LogConfig{Type: "none"}, Mounts: mounts(s.Mounts), NetworkMode: "none"}
	var nets []string
	switch {
	case s.NetworkContainer != "":
		host.NetworkMode = container.NetworkMode("container:" + s.NetworkContainer)
	case len(s.Networks) > 0:
		host.NetworkMode, nets = container.NetworkMode(s.Networks[0]), s.Networks[1:]
	}
	id, err := e.create(ctx, s.Name, conf, host, nil)
	if err != nil {
		return -1, "", err
	}
	defer func() {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
		defer cancel()
		err = errors.Join(err, e.remove(rctx, id, true))
	}()
	for _, n := range nets {
		if err := e.ConnectNetwork(ctx, n, id); err != nil {
			return -1, "", err
		}
	}
	return e.runAttached(ctx, id, s.Stdin, s.Stdout)
}

// runAttached starts a created container with its streams joined and waits for its end.
func (e *Engine) runAttached(ctx context.Context, id string, in io.Reader, out io.Writer) (int, string, error) {
	st, err := e.Attach(ctx, id)
	if err != nil {
		return -1, "", err
	}
	defer st.Close()
	defer context.AfterFunc(ctx, func() { _ = st.Close() })()
	if err := e.Start(ctx, id); err != nil {
		return -1, "", err
	}
	if in != nil {
		go func() {
			_, _ = io.Copy(st, in) // a tool that ends early closes its input; its exit code tells
			_ = st.CloseWrite()
		}()
	}
	if out == nil {
		out = io.Discard
	}
	_, copyErr := io.Copy(out, st)
	if copyErr != nil && ctx.Err() == nil { // nobody reads it any more: it would hang on a full pipe
		kctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = e.api.ContainerKill(kctx, id, "KILL")
	}
	code, err := st.Wait(ctx)
	if ctx.Err() != nil {
		return -1, st.Stderr(), context.Cause(ctx)
	}
	return code, st.Stderr(), errors.Join(copyErr, err)
}

// create makes a container; where the name is taken the error is a *NameTakenError.
func (e *Engine) create(ctx context.Context, name string, c *container.Config, h *container.HostConfig, n *network.NetworkingConfig) (string, error) {
	made, err := e.api.ContainerCreate(ctx, c, h, n, nil, name)
	if err == nil {
		return made.ID, nil
	}
	if errdefs.IsConflict(err) && name != "" {
		return "", &NameTakenError{Name: name, Holder: e.holder(ctx, name)}
	}
	return "", notFound(fmt.Errorf("create container %s: %w", name, err))
}

// holder is the container that has a name. While it is being made the engine keeps the name for it already, and does not show it;
// one that is not shown within some seconds is zero.
func (e *Engine) holder(ctx context.Context, name string) engine.Container {
	for end := time.Now().Add(5 * time.Second); ; {
		in, err := e.api.ContainerInspect(ctx, name)
		if err == nil {
			return describe(in)
		}
		if !errdefs.IsNotFound(err) || time.Now().After(end) {
			return engine.Container{}
		}
		select {
		case <-ctx.Done():
			return engine.Container{}
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Start starts a container; one that runs already is no error.
func (e *Engine) Start(ctx context.Context, id string) error {
	if err := e.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return notFound(fmt.Errorf("start container %s: %w", short(id), err))
	}
	return nil
}

func envList(env map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

func mounts(ms []engine.Mount) []mount.Mount {
	var out []mount.Mount
	for _, m := range ms {
		d := mount.Mount{Type: mount.Type(m.Type), Source: m.Source, Target: m.Target, ReadOnly: !m.RW}
		if d.Type == mount.TypeVolume {
			d.Source = m.Name
			d.VolumeOptions = &mount.VolumeOptions{NoCopy: true}
		}
		if d.Type == mount.TypeTmpfs {
			d.Source, d.ReadOnly = "", false
		}
		out = append(out, d)
	}
	return out
}
