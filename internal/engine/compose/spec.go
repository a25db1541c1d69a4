package compose

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
)

// spec is what makes two containers the same one: all of its configuration, nothing of its identity and history.
type spec struct {
	Name     string
	ImageID  string
	Config   *container.Config
	Host     *container.HostConfig
	Networks map[string]network.EndpointSettings
	Mounts   []string
}

// anonymous is the name of a volume that nobody named.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// specText writes the specification of a container in a form that can be compared. Absent, empty and zero are one.
func specText(rc RecordedContainer) (string, error) {
	rc, err := clone(rc)
	if err != nil {
		return "", err
	}
	s := spec{Name: rc.Name, ImageID: rc.ImageID, Config: rc.Config, Host: rc.Host, Networks: map[string]network.EndpointSettings{}}
	s.Config.Hostname = hostname(rc)
	s.Host.Binds = slices.DeleteFunc(s.Host.Binds, func(b string) bool {
		source, _, _ := strings.Cut(b, ":")
		return anonymous.MatchString(source)
	})
	slices.Sort(s.Host.Binds)
	kept := s.Host.Mounts[:0]
	for _, m := range s.Host.Mounts { // an anonymous volume stands among the effective mounts below
		if m.Type != mount.TypeVolume || m.Source != "" && !anonymous.MatchString(m.Source) {
			kept = append(kept, m)
		}
	}
	s.Host.Mounts = kept
	renamePeers(s.Host, rc.Peers)
	for name, ep := range rc.Networks {
		s.Networks[name] = *endpoint(rc.ID, ep)
	}
	for _, m := range rc.Mounts {
		s.Mounts = append(s.Mounts, fmt.Sprintf("%s %s%s %s %t", m.Type, m.Name, bindSource(m.Type, m.Source), m.Target, m.RW))
	}
	slices.Sort(s.Mounts)
	data, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return "", err
	}
	data, err = json.MarshalIndent(prune(tree), "", " ")
	return string(data), err
}

func bindSource(kind, source string) string {
	if kind == "bind" {
		return source
	}
	return ""
}

// prune drops what is null, empty, zero or false.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if x = prune(x); x == nil {
				delete(v, k)
			} else {
				v[k] = x
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			if v[i] != "" {
				v[i] = prune(v[i])
			}
		}
	case string:
		if v == "" {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	}
	return v
}

// hostname is the configured name, "" where the engine chose it.
func hostname(rc RecordedContainer) string {
	mode := rc.Host.NetworkMode
	if mode.IsHost() || mode.IsContainer() || strings.HasPrefix(rc.ID, rc.Config.Hostname) && len(rc.Config.Hostname) == 12 {
		return ""
	}
	return rc.Config.Hostname
}

// endpoint keeps what was configured of a connection to a network and drops what the engine filled in.
func endpoint(id string, ep *network.EndpointSettings) *network.EndpointSettings {
	out := &network.EndpointSettings{}
	if ep == nil {
		return out
	}
	out.Links, out.DriverOpts, out.GwPriority = ep.Links, ep.DriverOpts, ep.GwPriority
	if c := ep.IPAMConfig; c != nil && (c.IPv4Address != "" || c.IPv6Address != "" || len(c.LinkLocalIPs) > 0) {
		out.IPAMConfig = c
	}
	for _, a := range ep.Aliases {
		if len(id) >= 12 && a == id[:12] || slices.Contains(out.Aliases, a) { // the engine adds the short ID by itself
			continue
		}
		out.Aliases = append(out.Aliases, a)
	}
	slices.Sort(out.Aliases)
	return out
}

// renamePeers replaces IDs of other containers by what to maps them to.
func renamePeers(h *container.HostConfig, to map[string]string) {
	for _, ref := range namespaces(h) {
		id, ok := strings.CutPrefix(*ref, "container:")
		if name := to[id]; ok && name != "" {
			*ref = "container:" + name
		}
	}
	for i, from := range h.VolumesFrom {
		id, rest, colon := strings.Cut(from, ":")
		if name := to[id]; name != "" {
			h.VolumesFrom[i] = name
			if colon {
				h.VolumesFrom[i] += ":" + rest
			}
		}
	}
}

// clone makes a deep copy by way of the form in which a record is written.
func clone(rc RecordedContainer) (RecordedContainer, error) {
	var out RecordedContainer
	data, err := json.Marshal(rc)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	return out, err
}
