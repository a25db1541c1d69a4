package compose

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"

	"github.com/org/promote-action/internal/engine"
)

const exactStack = `
x-labels: &labels {dev.promote.test: engine-compose}
x-health: &health {test: [CMD, /promote, health], interval: 300ms, timeout: 2s, retries: 5}
services:
  db: {image: "${IMAGE}", command: [serve], healthcheck: *health, volumes: ["data:/data", "/scratch"], labels: *labels}
  migrate: {image: "${IMAGE}", command: [exit, "0"], depends_on: {db: {condition: service_healthy}}, labels: *labels}
  api:
    image: "${IMAGE}"
    command: [serve]
    healthcheck: *health
    scale: 2
    environment: {PASSWORD: "a b=c$$d", EMPTY: ""}
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
    secrets: [file, {source: env, target: token, mode: 0440, uid: "7", gid: "8"}]
    configs: [{source: inline, target: /etc/deep/er/app.conf}]
    volumes: ["/anonymous", {type: tmpfs, target: /t, tmpfs: {size: 1mb}}]
    ulimits: {nofile: 2000}
    labels: *labels
  web:
    image: "${IMAGE}"
    command: serve
    container_name: ${FIXED}
    hostname: www
    restart: unless-stopped
    stop_grace_period: 1s
    init: true
    cap_drop: [ALL]
    ports: ["127.0.0.1::8080"]
    depends_on: [api]
    networks: {default: {aliases: [front]}, back: {ipv4_address: 10.213.97.7}}
    labels: *labels
  side: {image: "${IMAGE}", command: [exit, "0", 1h], stop_grace_period: 1s, network_mode: "service:web", labels: *labels}
  idle: {image: "${IMAGE}", command: serve, labels: *labels}
secrets: {file: {file: secret.txt}, env: {environment: TOKEN}}
configs: {inline: {content: "text"}}
volumes: {data: {labels: *labels}}
networks:
  default: {labels: *labels}
  back: {labels: *labels, ipam: {config: [{subnet: 10.213.97.0/24}]}}
`

// exact describes everything of a project that must come back: the specification of each container, its state, the
// files inside, and the networks.
func exact(t *testing.T, e *Engine, m *Model) map[string]string {
	t.Helper()
	rec, err := e.Record(t.Context(), m.Project(), m)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, c := range rec.Containers {
		text, err := specText(c)
		if err != nil {
			t.Fatal(err)
		}
		state := c.State
		if !c.Running() {
			state = "not running"
		}
		files, _ := json.Marshal(c.Files)
		out[c.Name] = state + "\n" + string(files) + "\n" + text
	}
	for _, n := range rec.Networks {
		n.Spec.ID, n.Spec.Created = "", n.Spec.Created.UTC().Truncate(1<<62)
		text, _ := json.MarshalIndent(n.Spec, "", " ")
		out["network "+n.Spec.Name] = string(text)
	}
	return out
}

func compareExact(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for name, want := range before {
		if got := after[name]; got != want {
			t.Errorf("%s: %s differs:\n%s", what, name, lineDiff(want, got))
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s: %s is new", what, name)
		}
	}
}

func lineDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for _, l := range w {
		if !slices.Contains(g, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

func TestRestoreIsExact(t *testing.T) {
	t.Parallel()
	e := open(t)
	ids := images(t, e, 2)
	if err := e.TagImage(t.Context(), ids[0], "promote-test/moving:latest"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.RemoveImage(context.Background(), "promote-test/moving:latest") })
	env := map[string]string{"IMAGE": "promote-test/moving:latest", "FIXED": "pt-fixed-name", "TOKEN": "t0ken"}
	m := stack(t, e, exactStack, env)
	p := m.Project()
	mustUp(t, e, m, Deployment{})
	if _, err := e.Stop(t.Context(), p, []string{"idle"}, nil, nil); err != nil {
		t.Fatal(err)
	}
	before := exact(t, e, m)
	for name, text := range before {
		if strings.Contains(name, "-api-") && (!strings.Contains(text, `"path":"/run/secrets/token","mode":288,"uid":7,"gid":8`) || !strings.Contains(text, "/etc/deep/er/app.conf")) {
			t.Fatalf("the record of %s lacks injected files:\n%.600s", name, text)
		}
	}
	rec, err := e.Record(t.Context(), p, m)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	rec = Record{}
	if err := json.Unmarshal(data, &rec); err != nil {
		t.Fatal(err)
	}
	dbID := containers(t, e, p)[p+"-db-1"].ID

	// Another release, in which everything but the database changes, one service is new and a network is another.
	if err := e.TagImage(t.Context(), ids[1], "promote-test/moving:latest"); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("hostname: www", "hostname: changed", "10.213.97.0/24", "10.213.98.0/24", "10.213.97.7", "10.213.98.9",
		"  idle:", "  extra: {image: \"${IMAGE}\", command: serve, labels: *labels}\n  idle:").Replace(exactStack)
	write(t, m.Directory(), "compose.yaml", text)
	next, err := Load(t.Context(), Source{Project: p, Directory: m.Directory(), Env: env})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		damage func()
	}{
		{"nothing happened", func() {}},
		{"stopped", func() {
			if _, err := e.Stop(t.Context(), p, []string{"web", "api", "side"}, nil, nil); err != nil {
				t.Fatal(err)
			}
		}},
		{"half removed", func() {
			for _, name := range []string{p + "-api-2", "pt-fixed-name", p + "-migrate-1"} {
				if err := e.RemoveContainer(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.DisconnectNetwork(t.Context(), p+"_default", dbID); err != nil {
				t.Fatal(err)
			}
			if err := e.SetRestartPolicy(t.Context(), p+"-side-1", "always"); err != nil {
				t.Fatal(err)
			}
		}},
		{"another release", func() {
			if err := up(t, e, next, Deployment{Keep: []string{"db"}}); err != nil {
				t.Fatal(err)
			}
			if n, _ := e.api.NetworkInspect(t.Context(), p+"_back", network.InspectOptions{}); len(n.IPAM.Config) != 1 || n.IPAM.Config[0].Subnet != "10.213.98.0/24" {
				t.Fatalf("the network was to be another: %+v", n.IPAM)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.damage()
			for _, again := range []string{"restore", "restore again"} {
				var changed []string
				err := e.Restore(t.Context(), rec, RestoreOptions{Keep: []string{"db"}}, func(ev engine.Event) {
					changed = append(changed, ev.Action+" "+ev.Container+ev.Text)
				})
				if err != nil {
					t.Fatalf("%s: %v", again, err)
				}
				if again == "restore again" && len(changed) > 0 {
					t.Errorf("the second restore did something: %v", changed)
				}
				compareExact(t, again, before, exact(t, e, m))
			}
			if got := containers(t, e, p)[p+"-db-1"].ID; got != dbID {
				t.Error("the database's container was replaced")
			}
		})
	}
	if img, err := e.Image(t.Context(), "promote-test/moving:latest"); err != nil || img.ID != ids[1] {
		t.Errorf("the tag was left on %s: %v", img.ID, err)
	}
	wants := []engine.Want{{Service: "api", Image: ids[0], Replicas: 2}, {Service: "web", Image: ids[0]}, {Service: "side", Image: ids[0]}}
	if err := e.WaitHealthy(t.Context(), p, wants, nil); err != nil {
		t.Error(err)
	}
}
