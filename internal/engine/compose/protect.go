package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/network"
)

// protectNetworks keeps Compose from making a network anew while containers that are not being deployed hang on it: it
// would stop them, or fail half-way. Such a network is left as it is, with a warning.
func (e *Engine) protectNetworks(ctx context.Context, p *types.Project, deploy []string, warn func(string)) error {
	live, err := e.api.NetworkList(ctx, network.ListOptions{Filters: ofProject(p.Name)})
	if err != nil {
		return fmt.Errorf("list networks: %w", err)
	}
	for key, desired := range p.Networks {
		i := slices.IndexFunc(live, func(n network.Summary) bool { return n.Labels[api.NetworkLabel] == key })
		if bool(desired.External) || i < 0 {
			continue
		}
		hash, err := networkHash(desired)
		if err != nil {
			return fmt.Errorf("network %s: %w", key, err)
		}
		was := live[i].Labels[api.ConfigHashLabel]
		if was == "" || was == hash {
			continue
		}
		others, err := e.strangersOn(ctx, live[i].ID, p.Name, deploy)
		if err != nil {
			return err
		}
		if len(others) == 0 {
			continue
		}
		warn(fmt.Sprintf("network %s differs from the model but stays as it is: %s would have to leave it", live[i].Name, strings.Join(others, ", ")))
		desired.External, desired.Name = true, live[i].Name
		p.Networks[key] = desired
	}
	return nil
}

// strangersOn names the running containers on a network that are not replicas of the services in deploy.
func (e *Engine) strangersOn(ctx context.Context, id, project string, deploy []string) ([]string, error) {
	in, err := e.api.NetworkInspect(ctx, id, network.InspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("network %s: %w", short(id), err)
	}
	var out []string
	for cid, c := range in.Containers {
		ctr, err := e.api.ContainerInspect(ctx, cid)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", c.Name, err)
		}
		labels := ctr.Config.Labels
		if labels[api.ProjectLabel] != project || !slices.Contains(deploy, labels[api.ServiceLabel]) {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return out, nil
}
