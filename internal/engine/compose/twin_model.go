package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// twinNetwork is the key of the twin's only network in its model.
const twinNetwork = "twin"

// Twin makes the model one of the twin: the same services, each once, with their images, environment and files. Services
// that cannot be had alone are named; they are part of the model all the same.
func (m *Model) Twin(t Twin) (twin *Model, left []string, err error) {
	names := map[string][]string{}
	for _, s := range m.project.Services {
		for _, link := range s.Links {
			if to, alias, ok := strings.Cut(link, ":"); ok {
				names[to] = append(names[to], alias)
			}
		}
	}
	p, err := m.project.WithServicesTransform(func(name string, s types.ServiceConfig) (types.ServiceConfig, error) {
		return t.service(name, s, names[name]), nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("twin of %s: %w", m.project.Name, err)
	}
	for name, s := range m.project.Services {
		if strings.HasPrefix(s.NetworkMode, "service:") || strings.HasPrefix(s.NetworkMode, "container:") {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	p.Name = t.Project
	p.Networks = types.Networks{twinNetwork: {Name: t.Network(), External: true}}
	p.Volumes = types.Volumes{}
	twin = &Model{project: p, envFiles: m.envFiles}
	twin.decorate()
	return twin, left, nil
}

func (t Twin) service(name string, s types.ServiceConfig, aliases []string) types.ServiceConfig {
	aliases = append(slices.Clone(aliases), name)
	if s.ContainerName != "" {
		aliases = append(aliases, s.ContainerName)
	}
	for _, n := range s.Networks {
		if n != nil {
			aliases = append(aliases, n.Aliases...)
		}
	}
	slices.Sort(aliases)
	s.Networks = map[string]*types.ServiceNetworkConfig{twinNetwork: {Aliases: slices.Compact(aliases)}}
	s.NetworkMode, s.Net, s.Ports, s.Links, s.ExternalLinks, s.ExtraHosts = "", "", nil, nil, nil, nil
	s.DNS, s.DNSSearch, s.DNSOpts = types.StringList{nowhere}, nil, nil
	s.ContainerName, s.MacAddress, s.Restart, s.PullPolicy, s.Build = "", "", "no", types.PullPolicyNever, nil
	s.Privileged, s.Pid, s.Ipc, s.Uts, s.UserNSMode, s.Cgroup, s.CgroupParent = false, "", "", "", "", "", ""
	s.CapAdd, s.SecurityOpt, s.Devices, s.DeviceCgroupRules, s.Gpus, s.VolumesFrom = nil, nil, nil, nil, nil, nil
	s.PostStart, s.PreStop, s.Develop = nil, nil, nil
	logs := twinLogs()
	s.Logging = &types.LoggingConfig{Driver: logs.Type, Options: logs.Config}
	if s.Deploy != nil {
		d := *s.Deploy
		d.RestartPolicy, d.Replicas = nil, nil
		d.Resources.Reservations = nil
		s.Deploy = &d
	}
	s.SetScale(1)
	labels := types.Labels{}
	maps.Copy(labels, s.Labels)
	maps.Copy(labels, t.Labels)
	s.Labels = labels
	s.Volumes = twinVolumes(s.Volumes)
	return s
}

func twinVolumes(list []types.ServiceVolumeConfig) []types.ServiceVolumeConfig {
	var out []types.ServiceVolumeConfig
	for _, v := range list {
		switch v.Type {
		case types.VolumeTypeVolume, types.VolumeTypeCluster:
			out = append(out, types.ServiceVolumeConfig{Type: types.VolumeTypeVolume, Target: v.Target})
		case types.VolumeTypeBind:
			if harmlessPath(v.Source) {
				out = append(out, types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: v.Source, Target: v.Target, ReadOnly: true, Bind: &types.ServiceVolumeBind{}})
			}
		case types.VolumeTypeTmpfs, types.VolumeTypeImage:
			out = append(out, v)
		}
	}
	return out
}
