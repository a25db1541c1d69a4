package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// richStack uses what is easily lost when a model is written and read again.
const richStack = `
services:
  db:
    image: postgres:15
    command: ["-c", "max_connections=50"]
    stop_signal: SIGINT
    shm_size: 128mb
    environment: {POSTGRES_PASSWORD: "p$$ss $$word", EMPTY: "", INHERITED: }
    volumes: [ "data:/var/lib/postgresql/data", "./conf:/conf:ro", "/anonymous", {type: tmpfs, target: /t, tmpfs: {size: 1mb, mode: 0o1777}} ]
    healthcheck: {test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER"], interval: 1500ms, start_period: 1m30s, retries: 3}
    ulimits: {nofile: {soft: 1000, hard: 2000}, nproc: 65535}
    deploy: {resources: {limits: {cpus: "0.5", memory: 64M}, reservations: {memory: 20M}}}
  migrate:
    image: ${APP:?say which}
    entrypoint: []
    depends_on: {db: {condition: service_healthy}}
    env_file: [app.env]
    secrets: [token, {source: file, target: other, mode: 0440, uid: "103"}]
    configs: [{source: inline, target: /etc/app.conf}]
  api:
    image: ${APP}
    command: serve --port 8080 "two words"
    container_name: fixed
    restart: on-failure:5
    stop_grace_period: 1m
    depends_on: {db: {condition: service_healthy, restart: true}, migrate: {condition: service_completed_successfully}}
    ports: ["127.0.0.1:8080:80", "9000-9001:9000-9001/udp"]
    expose: ["7000", "7001/udp"]
    networks: {default: , back: {aliases: [apiback], ipv4_address: 10.99.7.7, priority: 10}}
    extra_hosts: ["host.docker.internal:host-gateway", "a:1.2.3.4"]
    sysctls: {net.core.somaxconn: 1024}
    labels: {a.b: "c d", empty: ""}
    logging: {driver: json-file, options: {max-size: "10m"}}
    cap_add: [NET_ADMIN]
    tmpfs: /run
    mem_limit: 100m
    cpus: 1.5
    init: false
    x-note: kept
  worker:
    build: .
    scale: 3
    dns: 1.1.1.1
    network_mode: none
    tty: true
    blkio_config: {weight: 300}
    extends: {service: base}
  base: {image: base:1, environment: {FROM_BASE: "1"}, user: "1000"}
  debug: {image: debug:1, profiles: [debug]}
networks:
  back: {ipam: {config: [{subnet: 10.99.7.0/24}]}, driver_opts: {x: "1"}}
  unused: {}
volumes:
  data: {labels: {keep: "yes"}}
secrets:
  token: {environment: TOKEN}
  file: {file: ./secret.txt}
configs:
  inline: {content: "key = ${TOKEN}\n"}
x-top: [1, 2]
`

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func rich(t *testing.T) *Model {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "compose.yml", richStack)
	write(t, dir, "compose.extra.yml", "services: {api: {environment: {EXTRA: 'yes'}}}")
	write(t, dir, "app.env", "FROM_FILE=a b\nALSO=${TOKEN}\n")
	write(t, dir, "secret.txt", "s")
	write(t, dir, "stage.env", "TOKEN=t0ken\n")
	m, err := Load(t.Context(), Source{
		Project: "rich", Directory: dir, Files: []string{"compose.yml", "compose.extra.yml"},
		EnvFiles: []string{"stage.env"}, Env: map[string]string{"APP": "app:7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModelRoundTripKeepsHashes(t *testing.T) {
	m := rich(t)
	pinned, err := m.Pin(map[string]string{"api": "sha256:" + strings.Repeat("a", 64)})
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*Model{"loaded": m, "pinned": pinned} {
		data, err := m.Marshal()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = os.RemoveAll(m.Directory()) // it is read where the files are not
		back, err := UnmarshalModel(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, s := range m.Services() {
			if err := sameHash(m, back, s.Name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for key, n := range m.project.Networks {
			was, _ := networkHash(n)
			if is, _ := networkHash(back.project.Networks[key]); was != is {
				t.Errorf("%s: network %s: another hash", name, key)
			}
		}
		if got := back.project.Secrets["token"].Environment; got != "TOKEN" {
			t.Errorf("%s: secret from the environment became %q", name, got)
		}
		if got := back.project.Configs["inline"].Content; got != "key = t0ken\n" {
			t.Errorf("%s: inline config became %q", name, got)
		}
		if got := back.project.Environment["TOKEN"]; got != "t0ken" {
			t.Errorf("%s: environment lost TOKEN: %q", name, got)
		}
		again, err := back.Marshal()
		if err != nil || string(again) != string(data) {
			t.Errorf("%s: a second round differs (%v)", name, err)
		}
		if got := back.Disabled(); len(got) != 1 || got[0] != "debug" {
			t.Errorf("%s: disabled %v", name, got)
		}
	}
}

func TestModelDescribesServices(t *testing.T) {
	m := rich(t)
	api, ok := m.Service("api")
	if !ok {
		t.Fatal("no api")
	}
	if api.Image != "app:7" || api.ContainerName != "fixed" || api.Restart != "on-failure" || len(api.Ports) != 3 || api.Env["EXTRA"] != "yes" {
		t.Errorf("api: %+v", api)
	}
	if len(api.DependsOn) != 2 || api.DependsOn[1].Condition != "service_completed_successfully" {
		t.Errorf("api depends on %+v", api.DependsOn)
	}
	migrate, _ := m.Service("migrate")
	if !migrate.OneShot || migrate.Env["FROM_FILE"] != "a b" || migrate.Env["ALSO"] != "t0ken" {
		t.Errorf("migrate: %+v", migrate)
	}
	if len(migrate.Injected) != 2 || migrate.Injected[0] != "/etc/app.conf" || migrate.Injected[1] != "/run/secrets/token" {
		t.Errorf("migrate gets %v", migrate.Injected)
	}
	if len(migrate.Binds) != 1 || migrate.Binds[0].Source != filepath.Join(m.Directory(), "secret.txt") || migrate.Binds[0].Target != "/run/secrets/other" {
		t.Errorf("migrate binds %+v", migrate.Binds)
	}
	db, _ := m.Service("db")
	if !db.HasHealthcheck || len(db.Volumes) != 1 || db.Volumes[0].Name != "rich_data" || db.StopSignal != "SIGINT" || db.Env["POSTGRES_PASSWORD"] != "p$ss $word" {
		t.Errorf("db: %+v", db)
	}
	worker, _ := m.Service("worker")
	if !worker.Build || worker.Replicas != 3 || worker.Image != "base:1" && worker.Image != "rich-worker" {
		t.Errorf("worker: %+v", worker)
	}
	if n := m.Networks(); len(n) != 2 || n[0].Name != "rich_back" {
		t.Errorf("networks: %+v", n)
	}
}

func TestLoadReadsNoEnvironmentOfTheCaller(t *testing.T) {
	t.Setenv("APP", "from-the-caller:1")
	dir := t.TempDir()
	write(t, dir, "compose.yaml", "services:\n  a:\n    image: ${APP}\n    environment: [APP]\n")
	_, err := Load(t.Context(), Source{Project: "p", Directory: dir})
	if err == nil {
		t.Fatal("an empty image was accepted")
	}
	write(t, dir, ".env", "APP=from-dotenv:1\n")
	m, err := Load(t.Context(), Source{Project: "p", Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := m.Service("a"); s.Image != "from-dotenv:1" || s.Env["APP"] != "from-dotenv:1" {
		t.Errorf("got %+v", s)
	}
}

func TestLoadErrors(t *testing.T) {
	tests := []struct{ name, yaml, want string }{
		{"not YAML", "services:\n  a:\n image: x\n", "L1.C1-L3"},
		{"required variable", "services: {a: {image: '${APP:?say which image}'}}", "say which image"},
		{"unknown key", "services: {a: {image: x, imagee: y}}", "imagee"},
		{"missing env file", "services: {a: {image: x, env_file: none.env}}", "none.env"},
		{"unknown dependency", "services: {a: {image: x, depends_on: [b]}}", "b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "compose.yaml", tt.yaml)
			_, err := Load(t.Context(), Source{Project: "p", Directory: dir})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
		})
	}
	if _, err := Load(t.Context(), Source{Project: "p", Directory: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no compose file") {
		t.Errorf("no file: %v", err)
	}
}

func TestLoadReportsWarnings(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "compose.yaml", "services: {a: {image: x, environment: {V: '${NOT_SET_ANYWHERE}'}}}")
	m, err := Load(t.Context(), Source{Project: "p", Directory: dir})
	if err != nil {
		t.Fatal(err)
	}
	if w := m.Warnings(); len(w) != 1 || !strings.Contains(w[0], "NOT_SET_ANYWHERE") {
		t.Errorf("warnings: %q", w)
	}
}

func TestPinRefuses(t *testing.T) {
	m := rich(t)
	if _, err := m.Pin(map[string]string{"api": "app:8"}); err == nil {
		t.Error("a tag was accepted as an ID")
	}
	if _, err := m.Pin(map[string]string{"nobody": "sha256:aa"}); err == nil || !strings.Contains(err.Error(), "api") {
		t.Errorf("unknown service: %v", err)
	}
}
