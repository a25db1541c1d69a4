package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/process"
)

// removeLeftovers removes the containers of this package's tests.
func removeLeftovers(t *testing.T, engine *client.Client) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", testLabel))})
	if err != nil {
		t.Error(err)
	}
	for _, c := range list {
		if err := engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	}
}

// TestThePostgresImageBehavesLikeTheOfficialOne starts it with the settings that Compose files use.
func TestThePostgresImageBehavesLikeTheOfficialOne(t *testing.T) {
	engine := connect(t)
	ref, err := EnsurePostgres(t.Context(), engine, 15, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	removeLeftovers(t, engine)
	t.Cleanup(func() { removeLeftovers(t, engine) })
	// docker-entrypoint-initdb.d and the secret come in by an archive, as no folder need be shared with the engine.
	c, err := engine.ContainerCreate(t.Context(), &container.Config{
		Image:  ref,
		Env:    []string{"POSTGRES_USER=app", "POSTGRES_PASSWORD_FILE=/secret", "POSTGRES_DB=orders"},
		Cmd:    []string{"-c", "max_connections=17", "-c", "application_name=two words"},
		Labels: map[string]string{"dev.promote.test": "demo"},
	}, &container.HostConfig{}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	archive := tarOf(t, map[string]string{
		"secret":                              "pass word",
		"docker-entrypoint-initdb.d/1.sql":    "CREATE TABLE first (n int);",
		"docker-entrypoint-initdb.d/2.sh":     `"${sql[@]}" -c "INSERT INTO first VALUES (42)"`,
		"docker-entrypoint-initdb.d/note.txt": "not a script",
	})
	if err := engine.CopyToContainer(t.Context(), c.ID, "/", archive, container.CopyToContainerOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := engine.ContainerStart(t.Context(), c.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	exec := func(args ...string) (string, error) {
		out, err := process.Output(t.Context(), process.Command{Path: "docker", Args: append([]string{"exec", c.ID}, args...)})
		return strings.TrimSpace(string(out)), err
	}
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		_, err := exec("pg_isready", "-q", "-h", "127.0.0.1")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %v\n%s", err, logTail(t.Context(), engine, c.ID))
		}
	}
	for sql, want := range map[string]string{
		"SELECT n FROM first":   "42",
		"SHOW server_encoding":  "UTF8",
		"SHOW max_connections":  "17",
		"SHOW data_directory":   "/var/lib/postgresql/data",
		"SHOW listen_addresses": "*",
		"SELECT current_user":   "app",
	} {
		if got, err := exec("psql", "-U", "app", "-d", "orders", "-Atc", sql); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", sql, got, err, want)
		}
	}
	// From outside the password counts: by the container's own address, not by loopback.
	for password, want := range map[string]bool{"pass word": true, "wrong": false} {
		_, err := exec("sh", "-c", `PGPASSWORD="`+password+`" psql -h "$(hostname -i)" -U app -d orders -c 'SELECT 1'`)
		if (err == nil) != want {
			t.Errorf("password %q: %v", password, err)
		}
	}
	if user, err := exec("stat", "-c", "%U", "/proc/1"); err != nil || user != "postgres" {
		t.Errorf("runs as %q, %v", user, err)
	}
	if err := engine.ContainerStop(t.Context(), c.ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	info, err := engine.ContainerInspect(t.Context(), c.ID)
	if err != nil || info.State.ExitCode != 0 || info.Config.StopSignal != "SIGINT" {
		t.Errorf("stopped with %+v, %v", info.State, err)
	}
}

// TestWithoutAPasswordItSaysWhatToSet also shows that a refusal comes before anything is written.
func TestWithoutAPasswordItSaysWhatToSet(t *testing.T) {
	engine := connect(t)
	ref, err := EnsurePostgres(t.Context(), engine, 15, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	_, err = process.Output(t.Context(), process.Command{Path: "docker", Args: []string{"run", "--rm", "--label", testLabel, ref}})
	if err == nil || !strings.Contains(err.Error(), "POSTGRES_PASSWORD is not set") {
		t.Errorf("%v", err)
	}
}

func TestPullGivesUpOnASilentRegistry(t *testing.T) {
	// An engine that accepts the request and never answers.
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer stuck.Close()
	c, err := client.NewClientWithOpts(client.WithHost("tcp://"+stuck.Listener.Addr().(*net.TCPAddr).String()), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := pull(t.Context(), c, "postgres:15", 100*time.Millisecond); err == nil || err.Error() != "no answer in 100ms" {
		t.Errorf("%v", err)
	}
}

func TestOneProcessBuildsTheOthersWait(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	first, err := lock(t.Context(), "x.lock", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-told; cancel() }()
	if _, err := lock(ctx, "x.lock", func(string, ...any) { told <- struct{}{} }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v; want to wait until cancelled", err)
	}
	first.Close()
	second, err := lock(t.Context(), "x.lock", t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}

// TestBuildFromPackages makes an image as on a machine that has none, or refreshes it: PROMOTE_TEST_BUILD_POSTGRES=17.
func TestBuildFromPackages(t *testing.T) {
	major, err := strconv.Atoi(os.Getenv("PROMOTE_TEST_BUILD_POSTGRES"))
	if err != nil {
		t.Skip("takes minutes; set PROMOTE_TEST_BUILD_POSTGRES to a major version")
	}
	engine := connect(t)
	if err := buildPostgres(t.Context(), engine, major, ownPostgres(major), t.Logf); err != nil {
		t.Fatal(err)
	}
	out, err := process.Output(t.Context(), process.Command{Path: "docker", Args: []string{"run", "--rm", "--label", testLabel, ownPostgres(major), "postgres", "--version"}})
	if want := fmt.Sprintf("postgres (PostgreSQL) %d.", major); err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%q, %v; want %s…", out, err, want)
	}
}

func TestNoDebianReleaseForAMajorVersion(t *testing.T) {
	err := buildPostgres(t.Context(), nil, 12, "x", t.Logf)
	if err == nil || err.Error() != "no Debian release known that has it; there are 15, 17 and 18" {
		t.Errorf("%v", err)
	}
}
