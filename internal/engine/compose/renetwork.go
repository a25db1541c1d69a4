package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
)

// networks brings the project's own networks back to what they were. One that differs is replaced; whoever else is on it
// is put back afterwards.
func (r *restoration) networks(ctx context.Context) error {
	for _, n := range r.rec.Networks {
		now, err := r.e.api.NetworkInspect(ctx, n.Spec.Name, network.InspectOptions{})
		switch {
		case errdefs.IsNotFound(err) && n.External:
			return fmt.Errorf("%w: network %s, which is not the project's own; create it and repeat", ErrNotFound, n.Spec.Name)
		case errdefs.IsNotFound(err):
			if err := r.createNetwork(ctx, n.Spec); err != nil {
				return err
			}
		case err != nil:
			return fmt.Errorf("network %s: %w", n.Spec.Name, err)
		case now.ID == n.ID || n.External || sameNetwork(now, n.Spec):
		default:
			if err := r.replaceNetwork(ctx, now, n.Spec); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *restoration) createNetwork(ctx context.Context, n network.Inspect) error {
	opts := network.CreateOptions{
		Driver: n.Driver, Scope: n.Scope, Internal: n.Internal, Attachable: n.Attachable, Ingress: n.Ingress,
		ConfigOnly: n.ConfigOnly, IPAM: &n.IPAM, Options: n.Options, Labels: n.Labels, EnableIPv6: &n.EnableIPv6,
	}
	if n.ConfigFrom.Network != "" {
		opts.ConfigFrom, opts.IPAM = &n.ConfigFrom, nil
	}
	if r.e.since("1.47") {
		opts.EnableIPv4 = &n.EnableIPv4
	}
	_, err := r.e.api.NetworkCreate(ctx, n.Name, opts)
	if err != nil && !r.fixedAddresses(n.Name) && strings.Contains(err.Error(), "overlap") {
		opts.IPAM = &network.IPAM{Driver: n.IPAM.Driver, Options: n.IPAM.Options} // its range was the engine's choice, and is taken now
		_, err = r.e.api.NetworkCreate(ctx, n.Name, opts)
	}
	if err != nil {
		return fmt.Errorf("create network %s: %w", n.Name, err)
	}
	r.event("created", "", "", "network "+n.Name)
	return nil
}

// fixedAddresses reports whether a recorded container has an address of its own on the network.
func (r *restoration) fixedAddresses(name string) bool {
	for _, rc := range r.rec.Containers {
		if ep := rc.Networks[name]; ep != nil && endpoint(rc.ID, ep).IPAMConfig != nil {
			return true
		}
	}
	return false
}

func (r *restoration) replaceNetwork(ctx context.Context, now, want network.Inspect) error {
	type guest struct {
		id string
		ep *network.EndpointSettings
	}
	var guests []guest
	for id := range now.Containers {
		in, err := r.e.api.ContainerInspect(ctx, id)
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("container %s: %w", short(id), err)
		}
		ep := endpoint(id, in.NetworkSettings.Networks[now.Name])
		ep.IPAMConfig = nil // an address of the other network
		if err := r.e.DisconnectNetwork(ctx, now.ID, id); err != nil {
			return err
		}
		if !r.recordedID(id) { // those are reconnected with what was recorded
			guests = append(guests, guest{id, ep})
		}
	}
	if err := r.e.api.NetworkRemove(ctx, now.ID); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove network %s: %w", now.Name, err)
	}
	if err := r.createNetwork(ctx, want); err != nil {
		return err
	}
	for _, g := range guests {
		if err := r.e.api.NetworkConnect(ctx, want.Name, g.id, g.ep); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("connect %s to network %s: %w", short(g.id), want.Name, err)
		}
	}
	return nil
}

func (r *restoration) recordedID(id string) bool {
	for _, rc := range r.rec.Containers {
		if r.here[rc.Name] == id {
			return true
		}
	}
	return false
}

// reconnect puts every recorded container on the networks it was on, as they are now.
func (r *restoration) reconnect(ctx context.Context) error {
	ids := map[string]string{}
	for _, rc := range r.rec.Containers {
		if !r.inScope(rc.Service) {
			continue
		}
		in, err := r.e.api.ContainerInspect(ctx, r.here[rc.Name])
		if err != nil {
			return fmt.Errorf("container %s: %w", rc.Name, err)
		}
		for name, ep := range rc.Networks {
			if ids[name] == "" {
				n, err := r.e.api.NetworkInspect(ctx, name, network.InspectOptions{})
				if err != nil {
					return notFound(fmt.Errorf("network %s of %s: %w", name, rc.Name, err))
				}
				ids[name] = n.ID
			}
			now, on := in.NetworkSettings.Networks[name]
			if on && (now.NetworkID == ids[name] || now.NetworkID == "") {
				continue // a container that never ran has no ID there yet
			}
			if on {
				if err := r.e.DisconnectNetwork(ctx, name, in.ID); err != nil {
					return err
				}
			}
			if err := r.e.api.NetworkConnect(ctx, name, in.ID, endpoint(rc.ID, ep)); err != nil {
				return fmt.Errorf("connect %s to network %s: %w", rc.Name, name, err)
			}
		}
	}
	return nil
}

// sameNetwork compares what was configured of two networks.
func sameNetwork(a, b network.Inspect) bool {
	text := func(n network.Inspect) string {
		data, err := json.Marshal([]any{n.Driver, n.Scope, n.Internal, n.Attachable, n.ConfigOnly, n.EnableIPv6, n.IPAM, n.Options, n.Labels})
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	return text(a) == text(b)
}
