package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/org/promote-action/internal/engine"
)

// Settings reads how the project's containers were made, without those of single runs. What an image that is still there
// sets by itself is left out, or marked.
func (e *Engine) Settings(ctx context.Context, project string) ([]engine.Settings, error) {
	all, err := e.inspectAll(ctx, ofProject(project))
	if err != nil {
		return nil, err
	}
	keys, err := e.modelNames(ctx, project)
	if err != nil {
		return nil, err
	}
	images := map[string]*image.InspectResponse{}
	var out []engine.Settings
	for _, in := range all {
		if in.Config == nil || in.HostConfig == nil || strings.EqualFold(in.Config.Labels[api.OneoffLabel], "true") {
			continue
		}
		if _, known := images[in.Image]; !known {
			images[in.Image] = nil
			if found, err := e.api.ImageInspect(ctx, in.Image); err == nil {
				images[in.Image] = &found
			}
		}
		out = append(out, settings(in, images[in.Image], keys))
	}
	slices.SortFunc(out, func(a, b engine.Settings) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ContainerID, b.ContainerID))
	})
	return out, nil
}

// modelNames are the names that the project's networks have in its model, by the engine's names for them.
func (e *Engine) modelNames(ctx context.Context, project string) (map[string]string, error) {
	names := map[string]string{}
	networks, err := e.Networks(ctx, project)
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		names[n.Name] = cmp.Or(n.Key, n.Name)
	}
	return names, nil
}

func settings(in container.InspectResponse, from *image.InspectResponse, names map[string]string) engine.Settings {
	c := describe(in)
	s := engine.Settings{ContainerID: c.ID, Service: c.Service, Restart: c.RestartPolicy, Labels: map[string]string{}}
	defaults := &container.Config{}
	var imageLabels map[string]string
	if from != nil && from.Config != nil {
		defaults = &container.Config{
			Env: from.Config.Env, Entrypoint: from.Config.Entrypoint, Cmd: from.Config.Cmd, User: from.Config.User, WorkingDir: from.Config.WorkingDir,
		}
		imageLabels = from.Config.Labels
	}
	if s.Restart == "on-failure" && c.MaxRetries > 0 {
		s.Restart += ":" + strconv.Itoa(c.MaxRetries)
	}
	own := environment(defaults.Env)
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		value, known := own[name]
		s.Env = append(s.Env, engine.EnvVar{Name: name, Value: c.Env[name], Image: known && value == c.Env[name]})
	}
	if !slices.Equal(in.Config.Entrypoint, defaults.Entrypoint) {
		s.Entrypoint = in.Config.Entrypoint
	}
	if !slices.Equal(in.Config.Cmd, defaults.Cmd) {
		s.Command = in.Config.Cmd
	}
	if in.Config.User != defaults.User {
		s.User = in.Config.User
	}
	if in.Config.WorkingDir != defaults.WorkingDir {
		s.WorkingDir = in.Config.WorkingDir
	}
	for key, value := range in.Config.Labels {
		if image, known := imageLabels[key]; (known && image == value) || strings.HasPrefix(key, "com.docker.compose.") || strings.HasPrefix(key, "desktop.docker.") {
			continue
		}
		s.Labels[key] = value
	}
	s.Ports = portWords(c)
	s.Mounts = c.Mounts
	for name := range c.Addresses {
		s.Networks = append(s.Networks, cmp.Or(names[name], name))
	}
	slices.Sort(s.Networks)
	s.Memory, s.CPUs = in.HostConfig.Memory, float64(in.HostConfig.NanoCPUs)/1e9
	if in.HostConfig.PidsLimit != nil && *in.HostConfig.PidsLimit > 0 {
		s.PIDs = *in.HostConfig.PidsLimit
	}
	s.Healthcheck = healthcheck(in.Config.Healthcheck, from)
	s.Options = options(in.HostConfig, in.Config, from)
	return s
}

// portWords are the ports of a container. A host port that the engine chose is not named: it is another one tomorrow.
func portWords(c engine.Container) []string {
	published := map[string]bool{}
	var out []string
	for _, p := range c.Ports {
		port := fmt.Sprintf("%d/%s", p.Port, cmp.Or(p.Protocol, "tcp"))
		published[port] = true
		host := "any"
		if p.HostPort > 0 && p.HostPort < 32768 { // below what engines choose from
			host = strconv.Itoa(p.HostPort)
		}
		if p.HostIP != "" && p.HostIP != "0.0.0.0" && p.HostIP != "::" {
			host = p.HostIP + ":" + host
		}
		out = append(out, host+"->"+port)
	}
	for _, p := range c.Exposed {
		if port := fmt.Sprintf("%d/%s", p.Port, cmp.Or(p.Protocol, "tcp")); !published[port] {
			out = append(out, port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func healthcheck(h *container.HealthConfig, from *image.InspectResponse) string {
	if h == nil || len(h.Test) == 0 {
		return ""
	}
	if from != nil && from.Config != nil && from.Config.Healthcheck != nil && slices.Equal(from.Config.Healthcheck.Test, h.Test) {
		return ""
	}
	words := strings.Join(h.Test, " ")
	for _, d := range []struct {
		name string
		of   time.Duration
	}{{"every", h.Interval}, {"timeout", h.Timeout}, {"start", h.StartPeriod}} {
		if d.of > 0 {
			words += fmt.Sprintf("; %s %s", d.name, d.of)
		}
	}
	if h.Retries > 0 {
		words += fmt.Sprintf("; retries %d", h.Retries)
	}
	return words
}

// options are the settings of the host's side that differ from the engine's defaults.
func options(h *container.HostConfig, c *container.Config, from *image.InspectResponse) map[string]string {
	out := map[string]string{}
	set := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	flag := func(name string, on bool) {
		if on {
			out[name] = "true"
		}
	}
	flag("privileged", h.Privileged)
	flag("read_only", h.ReadonlyRootfs)
	flag("init", h.Init != nil && *h.Init)
	flag("tty", c.Tty)
	set("cap_add", sorted(h.CapAdd))
	set("cap_drop", sorted(h.CapDrop))
	set("security_opt", sorted(h.SecurityOpt))
	set("dns", strings.Join(h.DNS, ","))
	set("extra_hosts", sorted(h.ExtraHosts))
	set("group_add", sorted(h.GroupAdd))
	set("pid", string(h.PidMode))
	set("userns", string(h.UsernsMode))
	if h.IpcMode != "private" && h.IpcMode != "shareable" {
		set("ipc", string(h.IpcMode))
	}
	if h.LogConfig.Type != "" && h.LogConfig.Type != "json-file" {
		set("logging", h.LogConfig.Type)
	}
	for _, name := range slices.Sorted(maps.Keys(h.LogConfig.Config)) {
		set("logging."+name, h.LogConfig.Config[name])
	}
	for _, u := range h.Ulimits {
		set("ulimit."+u.Name, fmt.Sprintf("%d:%d", u.Soft, u.Hard))
	}
	for name, value := range h.Sysctls {
		set("sysctl."+name, value)
	}
	for _, d := range h.Devices {
		set("device."+d.PathInContainer, d.PathOnHost)
	}
	for path, o := range h.Tmpfs {
		set("tmpfs."+path, cmp.Or(o, "default"))
	}
	if h.ShmSize > 0 && h.ShmSize != 64<<20 {
		set("shm_size", strconv.FormatInt(h.ShmSize, 10))
	}
	if mode := string(h.NetworkMode); mode == "host" || mode == "none" {
		set("network_mode", mode)
	}
	if from == nil || from.Config == nil || from.Config.StopSignal != c.StopSignal {
		set("stop_signal", c.StopSignal)
	}
	return out
}

func sorted[S ~[]string](s S) string { return strings.Join(slices.Sorted(slices.Values(s)), ",") }
