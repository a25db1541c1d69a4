package compose

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/org/promote-action/internal/engine"
)

// Services describes the active services, by name.
func (m *Model) Services() []engine.Service {
	awaited := map[string]bool{}
	for _, s := range m.project.Services {
		for dep, d := range s.DependsOn {
			if d.Condition == types.ServiceConditionCompletedSuccessfully {
				awaited[dep] = true
			}
		}
	}
	out := make([]engine.Service, 0, len(m.project.Services))
	for _, name := range slices.Sorted(maps.Keys(m.project.Services)) {
		s := m.describe(m.project.Services[name])
		s.OneShot = awaited[name]
		out = append(out, s)
	}
	return out
}

// Service describes one service; false when the model has no such active service.
func (m *Model) Service(name string) (engine.Service, bool) {
	for _, s := range m.Services() {
		if s.Name == name {
			return s, true
		}
	}
	return engine.Service{}, false
}

func (m *Model) describe(s types.ServiceConfig) engine.Service {
	out := engine.Service{
		Name: s.Name, Image: api.GetImageNameOrDefault(s, m.project.Name), Build: s.Build != nil, Replicas: s.GetScale(),
		ContainerName: s.ContainerName, Restart: restartPolicy(s), NetworkMode: s.NetworkMode, Profiles: s.Profiles,
		Entrypoint: s.Entrypoint, Command: s.Command, StopSignal: s.StopSignal, Labels: s.Labels,
		Env: map[string]string{}, Networks: s.NetworksByPriority(),
	}
	out.HasHealthcheck = s.HealthCheck != nil && !s.HealthCheck.Disable && (len(s.HealthCheck.Test) == 0 || s.HealthCheck.Test[0] != "NONE")
	if s.StopGracePeriod != nil {
		out.StopGrace = time.Duration(*s.StopGracePeriod)
	}
	for k, v := range s.Environment {
		if v != nil {
			out.Env[k] = *v
		}
	}
	for _, dep := range slices.Sorted(maps.Keys(s.DependsOn)) {
		out.DependsOn = append(out.DependsOn, engine.Dependency{Service: dep, Condition: s.DependsOn[dep].Condition})
	}
	for _, p := range s.Ports {
		published, _ := strconv.Atoi(p.Published)
		out.Ports = append(out.Ports, engine.Port{Port: int(p.Target), Protocol: p.Protocol, HostIP: p.HostIP, HostPort: published})
	}
	for _, e := range s.Expose {
		port, proto, _ := strings.Cut(e, "/")
		if n, err := strconv.Atoi(port); err == nil {
			if proto == "" {
				proto = "tcp"
			}
			out.Exposed = append(out.Exposed, engine.Port{Port: n, Protocol: proto})
		}
	}
	m.describeMounts(s, &out)
	return out
}

func (m *Model) describeMounts(s types.ServiceConfig, out *engine.Service) {
	for _, v := range s.Volumes {
		switch v.Type {
		case types.VolumeTypeVolume:
			if v.Source == "" {
				continue // anonymous
			}
			name := v.Source
			if def, ok := m.project.Volumes[v.Source]; ok {
				name = def.Name
			}
			out.Volumes = append(out.Volumes, engine.Mount{Type: "volume", Name: name, Target: v.Target, RW: !v.ReadOnly})
		case types.VolumeTypeBind:
			out.Binds = append(out.Binds, engine.Mount{Type: "bind", Source: v.Source, Target: v.Target, RW: !v.ReadOnly})
		}
	}
	add := func(ref types.FileReferenceConfig, obj types.FileObjectConfig, root string) {
		target := ref.Target
		if target == "" {
			target = root + ref.Source
		} else if !strings.HasPrefix(target, "/") {
			target = root + target
		}
		switch {
		case obj.File != "":
			out.Binds = append(out.Binds, engine.Mount{Type: "bind", Source: obj.File, Target: target})
		case obj.Content != "" || obj.Environment != "":
			out.Injected = append(out.Injected, target)
		}
	}
	for _, c := range s.Configs {
		add(types.FileReferenceConfig(c), types.FileObjectConfig(m.project.Configs[c.Source]), "/")
	}
	for _, c := range s.Secrets {
		add(types.FileReferenceConfig(c), types.FileObjectConfig(m.project.Secrets[c.Source]), "/run/secrets/")
	}
}

// restartPolicy is the policy in the words of `restart:`, also where the model says it under deploy.
func restartPolicy(s types.ServiceConfig) string {
	if s.Restart != "" {
		policy, _, _ := strings.Cut(s.Restart, ":")
		return policy
	}
	if s.Deploy == nil || s.Deploy.RestartPolicy == nil {
		return "no"
	}
	switch s.Deploy.RestartPolicy.Condition {
	case "none":
		return "no"
	case "on-failure":
		return "on-failure"
	}
	return "always"
}

// Networks lists the networks that the active services use.
func (m *Model) Networks() []engine.ModelNetwork {
	var out []engine.ModelNetwork
	for _, key := range slices.Sorted(maps.Keys(m.project.Networks)) {
		n := m.project.Networks[key]
		out = append(out, engine.ModelNetwork{Key: key, Name: n.Name, External: bool(n.External)})
	}
	return out
}

// Volumes lists the named volumes that the active services use.
func (m *Model) Volumes() []engine.ModelVolume {
	var out []engine.ModelVolume
	for _, key := range slices.Sorted(maps.Keys(m.project.Volumes)) {
		v := m.project.Volumes[key]
		out = append(out, engine.ModelVolume{Key: key, Name: v.Name, Driver: v.Driver, External: bool(v.External)})
	}
	return out
}

// Needs lists by service what it depends on, for Stop.
func (m *Model) Needs() map[string][]string {
	out := map[string][]string{}
	for name, s := range m.project.Services {
		out[name] = slices.Sorted(maps.Keys(s.DependsOn))
	}
	return out
}
