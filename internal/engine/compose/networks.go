package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/network"

	"github.com/org/promote-action/internal/engine"
)

// Networks lists the project's own networks; external ones are not among them.
func (e *Engine) Networks(ctx context.Context, project string) ([]engine.Network, error) {
	list, err := e.api.NetworkList(ctx, network.ListOptions{Filters: ofProject(project)})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	out := make([]engine.Network, 0, len(list))
	for _, s := range list {
		in, err := e.api.NetworkInspect(ctx, s.ID, network.InspectOptions{})
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", s.Name, err)
		}
		n := engine.Network{ID: in.ID, Name: in.Name, Key: in.Labels[api.NetworkLabel], Driver: in.Driver, Internal: in.Internal, Labels: in.Labels}
		for id := range in.Containers {
			n.Containers = append(n.Containers, id)
		}
		slices.Sort(n.Containers)
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b engine.Network) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// ConnectNetwork joins a container to a network; it is no error when it is there already.
func (e *Engine) ConnectNetwork(ctx context.Context, name, container string) error {
	err := e.api.NetworkConnect(ctx, name, container, &network.EndpointSettings{})
	if err != nil && !strings.Contains(err.Error(), "already exists in network") {
		return notFound(fmt.Errorf("connect %s to network %s: %w", short(container), name, err))
	}
	return nil
}

// DisconnectNetwork takes a container off a network; it is no error when it is not on it or either is gone.
func (e *Engine) DisconnectNetwork(ctx context.Context, name, container string) error {
	err := e.api.NetworkDisconnect(ctx, name, container, true)
	if err == nil || errdefs.IsNotFound(err) || strings.Contains(err.Error(), "is not connected to") {
		return nil
	}
	return fmt.Errorf("disconnect %s from network %s: %w", short(container), name, err)
}
