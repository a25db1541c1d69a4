package compose

import (
	"context"
	"fmt"

	"github.com/docker/docker/api/types/container"

	"github.com/org/promote-action/internal/engine"
)

// AgentSpec is a container of our own that stays.
type AgentSpec struct {
	Name          string
	Image         string
	Entrypoint    []string // nil keeps the image's
	Args          []string
	Env           map[string]string
	User          string
	Mounts        []engine.Mount
	Networks      []string // none: the engine's default network
	Labels        map[string]string
	RestartPolicy string // "", "no", "always", "unless-stopped", "on-failure"
	OpenStdin     bool   // its standard input can be attached, and ends when the one who attached goes
	AutoRemove    bool   // goes when it ends; not together with a restart policy
	QuietLogs     bool   // its output is data for one who attaches: the engine keeps none of it
}

// CreateAgent makes the container without starting it, for one who wants to attach before. The engine lets one container
// have a name: the second gets a *NameTakenError with the holder.
func (e *Engine) CreateAgent(ctx context.Context, s AgentSpec) (string, error) {
	conf := &container.Config{
		Image: s.Image, Cmd: s.Args, Entrypoint: s.Entrypoint, Env: envList(s.Env), User: s.User, Labels: s.Labels,
		OpenStdin: s.OpenStdin, StdinOnce: s.OpenStdin, AttachStdin: s.OpenStdin, AttachStdout: true, AttachStderr: true,
	}
	host := &container.HostConfig{
		Mounts: mounts(s.Mounts), AutoRemove: s.AutoRemove,
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.RestartPolicy)},
	}
	if s.QuietLogs {
		host.LogConfig.Type = "none"
	}
	if len(s.Networks) > 0 {
		host.NetworkMode = container.NetworkMode(s.Networks[0])
	}
	id, err := e.create(ctx, s.Name, conf, host, nil)
	if err != nil {
		return "", err
	}
	for _, n := range s.Networks[min(1, len(s.Networks)):] {
		if err := e.ConnectNetwork(ctx, n, id); err != nil {
			_ = e.remove(context.WithoutCancel(ctx), id, true) // err is the reason; a leftover would hold the name
			return "", err
		}
	}
	return id, nil
}

// StartAgent makes the container and starts it; one that does not start is removed again.
func (e *Engine) StartAgent(ctx context.Context, s AgentSpec) (string, error) {
	id, err := e.CreateAgent(ctx, s)
	if err != nil {
		return "", err
	}
	if err := e.Start(ctx, id); err != nil {
		_ = e.remove(context.WithoutCancel(ctx), id, true)
		return "", err
	}
	return id, nil
}

// SetRestartPolicy changes what the engine does when the container ends.
func (e *Engine) SetRestartPolicy(ctx context.Context, id, policy string) error {
	_, err := e.api.ContainerUpdate(ctx, id, container.UpdateConfig{RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(policy)}})
	if err != nil {
		return notFound(fmt.Errorf("restart policy of %s: %w", short(id), err))
	}
	return nil
}
