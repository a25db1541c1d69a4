package compose

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/org/promote-action/internal/engine"
)

var testTwin = Twin{Project: "promote-rehearsal-shop", Labels: map[string]string{"dev.promote.role": "rehearsal"}}

// open is a container that reaches everything that one can reach.
func openContainer(service string) RecordedContainer {
	return RecordedContainer{
		ID: "0123456789abcdef", Name: "shop-" + service + "-1", Service: service, ImageID: "sha256:1", State: "running",
		Config: &container.Config{
			Hostname: "0123456789ab", Image: "shop:1", Env: []string{"PGPASSWORD=secret", "PGDATA=/data/pg"}, Cmd: []string{"postgres", "-c", "x=y"},
			Labels: map[string]string{projectLabelForTest: "shop", "com.docker.compose.service": service, "traefik.enable": "true"},
		},
		Host: &container.HostConfig{
			NetworkMode: "host", PidMode: "host", IpcMode: "host", Privileged: true, PublishAllPorts: true, CapAdd: []string{"SYS_ADMIN"}, SecurityOpt: []string{"apparmor=unconfined"},
			PortBindings: nat.PortMap{"80/tcp": {{HostPort: "80"}}}, ExtraHosts: []string{"live:10.0.0.1"}, DNS: []string{"8.8.8.8"}, Links: []string{"/a:/b/c"}, VolumesFrom: []string{"other"},
			Binds: []string{"shop_uploads:/uploads", "/var/run/docker.sock:/var/run/docker.sock"}, RestartPolicy: container.RestartPolicy{Name: "always"},
			LogConfig: container.LogConfig{Type: "gelf", Config: map[string]string{"gelf-address": "udp://logs:12201"}},
			Resources: container.Resources{Devices: []container.DeviceMapping{{PathOnHost: "/dev/sda"}}, Memory: 1 << 20},
		},
		Networks: map[string]*network.EndpointSettings{"shop_default": {Aliases: []string{"database", "0123456789ab"}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.0.0.5"}}},
		Mounts: []engine.Mount{
			{Type: "volume", Name: "shop_uploads", Target: "/uploads", RW: true},
			{Type: "bind", Source: "/srv/shop/app.conf", Target: "/etc/app.conf", RW: true},
			{Type: "bind", Source: "/var/run/docker.sock", Target: "/var/run/docker.sock", RW: true},
			{Type: "bind", Source: "/", Target: "/host"},
			{Type: "bind", Source: "/srv/shop/data", Target: "/data", RW: true},
			{Type: "bind", Source: "/srv/shop/seed.sql", Target: "/docker-entrypoint-initdb.d/seed.sql"},
		},
	}
}

const projectLabelForTest = "com.docker.compose.project"

func TestATwinIsSwept(t *testing.T) {
	t.Parallel()
	e := open(t)
	id := images(t, e, 1)[0]
	twin := Twin{Project: "pt-twin", Labels: map[string]string{testLabel: testName, "dev.promote.role": "rehearsal"}}
	stranger := Twin{Project: twin.Project, Labels: labelled}
	t.Cleanup(func() {
		for _, left := range []Twin{twin, stranger} {
			_ = e.CloseTwin(context.Background(), left)
		}
	})
	_ = e.CloseTwin(t.Context(), stranger) // of a killed run
	if err := e.OpenTwin(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{projectLabelForTest: twin.Project, "com.docker.compose.service": "db", testLabel: testName}
	ctr, err := e.StartAgent(t.Context(), AgentSpec{Name: "pt-twin-db", Image: id, Args: []string{"serve"}, Labels: labels, Networks: []string{twin.Network()}})
	if err != nil {
		t.Fatal(err)
	}
	net, err := e.api.NetworkInspect(t.Context(), twin.Network(), network.InspectOptions{})
	if err != nil || !net.Internal || net.Options["com.docker.network.bridge.inhibit_ipv4"] != "true" {
		t.Errorf("%+v %v", net, err)
	}
	if err := e.EmptyTwin(t.Context(), twin, "db"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Container(t.Context(), ctr); err != nil {
		t.Errorf("what was to stay is gone: %v", err)
	}
	if err := e.CloseTwin(t.Context(), twin); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Container(t.Context(), ctr); !errors.Is(err, ErrNotFound) {
		t.Errorf("its container is still there: %v", err)
	}
	if err := e.CloseTwin(t.Context(), twin); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := e.OpenTwin(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	if err := e.CloseTwin(t.Context(), twin); err == nil || !strings.Contains(err.Error(), "not what promote made") {
		t.Errorf("somebody else's network: %v", err)
	}
}

func TestATwinReachesNothing(t *testing.T) {
	alone := openContainer("sidecar")
	alone.Host.NetworkMode = "container:0123456789abcdef"
	stopped := openContainer("migrate")
	stopped.State = "exited"
	second := openContainer("db")
	second.Name = "shop-db-2"
	was, err := json.Marshal(openContainer("db"))
	if err != nil {
		t.Fatal(err)
	}
	first := openContainer("db")
	twin, left, err := Record{Format: RecordFormat, Project: "shop", Containers: []RecordedContainer{first, second, alone, stopped}}.Twin(testTwin)
	if err != nil || !slices.Equal(left, []string{"sidecar"}) || len(twin.Containers) != 1 || twin.Project != testTwin.Project || len(twin.Volumes) > 0 {
		t.Fatalf("%+v %v %v", twin, left, err)
	}
	if is, _ := json.Marshal(first); string(is) != string(was) {
		t.Error("the record itself has changed")
	}
	c := twin.Containers[0]
	want := &container.HostConfig{
		NetworkMode: "promote-rehearsal-shop", RestartPolicy: container.RestartPolicy{Name: "no"}, LogConfig: twinLogs(), DNS: []string{"127.0.0.1"},
		Resources: container.Resources{Memory: 1 << 20},
		Mounts: []mount.Mount{
			{Type: mount.TypeVolume, Target: "/uploads"},
			{Type: mount.TypeBind, Source: "/srv/shop/app.conf", Target: "/etc/app.conf", ReadOnly: true},
			{Type: mount.TypeBind, Source: "/srv/shop/data", Target: "/data", ReadOnly: true},
			{Type: mount.TypeBind, Source: "/srv/shop/seed.sql", Target: "/docker-entrypoint-initdb.d/seed.sql", ReadOnly: true},
		},
	}
	if got := text(t, c.Host); got != text(t, want) {
		t.Errorf("its surroundings:\n%s\nwant\n%s", got, text(t, want))
	}
	if c.Name == first.Name || c.Config.Image != "sha256:1" || c.Config.Labels[projectLabelForTest] != testTwin.Project || c.Config.Labels["traefik.enable"] != "" || len(c.Mounts) > 0 || c.Config.Hostname != "" {
		t.Errorf("%s", text(t, c))
	}
	if got := text(t, c.Networks); got != text(t, map[string]*network.EndpointSettings{"promote-rehearsal-shop": {Aliases: []string{"database", "db", "shop-db-1"}}}) {
		t.Error(got)
	}
	server := twin.Postgres("db", "fsync=off").Containers[0]
	for _, m := range server.Host.Mounts {
		if strings.HasPrefix(m.Source, "/srv/shop/data") || strings.HasPrefix(m.Target, "/docker-entrypoint") {
			t.Errorf("the copy of the server has %+v", m)
		}
	}
	if !slices.Equal(server.Config.Cmd, []string{"postgres", "-c", "x=y", "-c", "fsync=off"}) || len(c.Config.Cmd) != 3 {
		t.Errorf("its command: %v, the other's: %v", server.Config.Cmd, c.Config.Cmd)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestATwinsModelReachesNothing(t *testing.T) {
	file := write(t, t.TempDir(), "compose.yml", `
services:
  api:
    image: shop-api:1
    container_name: the-api
    privileged: true
    pid: host
    restart: always
    ports: ["80:8080"]
    extra_hosts: ["live:10.0.0.1"]
    dns: 8.8.8.8
    cap_add: [SYS_ADMIN]
    devices: ["/dev/sda:/dev/sda"]
    links: ["db:database"]
    environment: {PGHOST: database}
    logging: {driver: gelf, options: {gelf-address: "udp://logs:12201"}}
    scale: 1
    volumes: ["uploads:/uploads", "/var/run/docker.sock:/var/run/docker.sock", "./app.conf:/etc/app.conf"]
    networks: {inner: {aliases: [shop-api]}, outer: {}}
  sidecar: {image: "sidecar:1", network_mode: "service:api"}
  db: {image: "postgres:15", networks: [inner], volumes: ["data:/var/lib/postgresql/data"]}
volumes: {uploads: {}, data: {}}
networks: {inner: {}, outer: {external: true, name: proxy}}
`)
	m, err := Load(t.Context(), Source{Project: "shop", Directory: filepath.Dir(file), Files: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	twin, left, err := m.Twin(testTwin)
	if err != nil || !slices.Equal(left, []string{"sidecar"}) {
		t.Fatal(left, err)
	}
	if nets := twin.Networks(); len(nets) != 1 || nets[0].Name != testTwin.Network() || !nets[0].External || len(twin.Volumes()) > 0 || twin.Project() != testTwin.Project {
		t.Errorf("%+v %+v", nets, twin.Volumes())
	}
	s := twin.project.Services["api"]
	if s.Privileged || s.Pid != "" || s.Restart != "no" || len(s.Ports)+len(s.ExtraHosts)+len(s.CapAdd)+len(s.Devices)+len(s.Links) > 0 || s.ContainerName != "" || s.GetScale() != 1 ||
		!slices.Equal(s.DNS, []string{"127.0.0.1"}) || s.Logging.Driver != "json-file" || s.Labels["dev.promote.role"] != "rehearsal" || s.CustomLabels[projectLabelForTest] != testTwin.Project {
		t.Errorf("%s", text(t, s))
	}
	if got := s.Networks[twinNetwork].Aliases; !slices.Equal(got, []string{"api", "shop-api", "the-api"}) || len(s.Networks) != 1 {
		t.Errorf("aliases of api: %v", got)
	}
	if got := twin.project.Services["db"].Networks[twinNetwork].Aliases; !slices.Equal(got, []string{"database", "db"}) {
		t.Errorf("aliases of db: %v", got)
	}
	var mounts []string
	for _, v := range s.Volumes {
		mounts = append(mounts, v.Type+" "+filepath.Base(v.Source)+" "+v.Target)
		if v.Type == "bind" && !v.ReadOnly {
			t.Errorf("%s can be written to", v.Source)
		}
	}
	if !slices.Equal(mounts, []string{"volume . /uploads", "bind app.conf /etc/app.conf"}) {
		t.Errorf("mounts of api: %v", mounts)
	}
	if m.project.Services["api"].ContainerName != "the-api" || m.Project() != "shop" {
		t.Error("the model itself has changed")
	}
}
