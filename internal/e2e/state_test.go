package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// state is all of staging that a rollback has to bring back, read without any part of the program that is tested.
type state struct {
	containers map[string]string // name to image, configuration, networks and whether it runs
	schema     string
	rows       map[string]string // table to a digest of its rows
}

// read reads the state, without the orders of writers. What the worker notes on orders goes on by itself and is left out.
func (s *shop) read(t testing.TB) state {
	t.Helper()
	st := state{containers: map[string]string{}, rows: map[string]string{}}
	for _, c := range containers(t, s.Staging.Project) {
		st.containers[strings.TrimPrefix(c.Name, "/")] = describe(t, c)
	}
	st.schema = s.schema(t, s.Staging.Project)
	var parts []string
	for _, table := range s.sql(t, "SELECT format('%I', relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1") {
		rows := table + " t"
		if table == "orders" {
			rows += fmt.Sprintf(" WHERE number IS NULL OR number < %d", firstOrder)
		}
		parts = append(parts, fmt.Sprintf("SELECT '%s|' || count(*) || ' rows, ' || coalesce(md5(string_agg(md5((to_jsonb(t) - 'processed_at')::text), '' ORDER BY to_jsonb(t) - 'processed_at')), '-') FROM %s", table, rows))
	}
	for _, line := range s.sql(t, strings.Join(parts, " UNION ALL ")) {
		table, digest, _ := strings.Cut(line, "|")
		st.rows[table] = digest
	}
	return st
}

// schema is the schema of an environment's database in SQL.
func (s *shop) schema(t testing.TB, project string) string {
	t.Helper()
	text := s.inDatabase(t, project, "pg_dump", "-h", "127.0.0.1", "-U", "shop", "-d", "shop", "--schema-only")
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "\\restrict") || strings.HasPrefix(line, "\\unrestrict") // a random word each time
	}), "\n")
}

// describe is what of a container has to be the same.
func describe(t testing.TB, c container.InspectResponse) string {
	t.Helper()
	env := slices.Sorted(slices.Values(c.Config.Env))
	networks := map[string]any{}
	for name := range c.NetworkSettings.Networks {
		networks[name] = true
	}
	mounts := map[string]string{}
	for _, m := range c.Mounts {
		mounts[m.Destination] = string(m.Type) + " " + m.Name
	}
	labels := maps.Clone(c.Config.Labels)
	if list := labels["com.docker.compose.depends_on"]; list != "" { // Compose writes it in any order
		labels["com.docker.compose.depends_on"] = strings.Join(slices.Sorted(strings.SplitSeq(list, ",")), ",")
	}
	data, err := json.Marshal(map[string]any{
		"image": c.Image, "env": env, "cmd": c.Config.Cmd, "entrypoint": c.Config.Entrypoint, "labels": labels, "health": c.Config.Healthcheck,
		"stop": c.Config.StopTimeout, "restart": c.HostConfig.RestartPolicy, "networks": networks, "mounts": mounts, "running": c.State.Running,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// same fails the test with every difference between two states.
func same(t testing.TB, before, after state) {
	t.Helper()
	differences(t, "container", before.containers, after.containers)
	differences(t, "rows of", before.rows, after.rows)
	if before.schema != after.schema {
		t.Errorf("the schema differs:\n%s", otherLines(before.schema, after.schema))
	}
}

// otherLines are the lines that only one of two texts has, the first's with a minus.
func otherLines(first, second string) string {
	a, b := strings.Split(first, "\n"), strings.Split(second, "\n")
	var out []string
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}

func differences(t testing.TB, what string, before, after map[string]string) {
	t.Helper()
	names := maps.Clone(before)
	maps.Copy(names, after)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			t.Errorf("%s %s differs:\n before %s\n after  %s", what, name, before[name], after[name])
		}
	}
}

// clean fails the test when a promotion left anything but what it says that it keeps: no container of its own, every
// database open, and of copies only as many as expected.
func (s *shop) clean(t testing.TB, copies ...string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for _, env := range []string{s.Development.Project, s.Staging.Project} {
		for {
			left, err := world.engine.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "dev.promote.project="+env))})
			if err != nil {
				t.Fatal(err)
			}
			if len(left) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("container %s (%s) of the promotion is still there", left[0].Names[0], left[0].Status)
				break
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	for _, line := range s.sql(t, "SELECT datname || ' ' || datallowconn || ' ' || datconnlimit FROM pg_database WHERE NOT datistemplate AND datname NOT LIKE 'promote.%'") {
		if name, open, _ := strings.Cut(line, " "); open != "true -1" {
			t.Errorf("database %s is not open: allowed %s", name, open)
		}
	}
	slices.Sort(copies)
	if found := s.copies(t); !slices.Equal(found, copies) {
		t.Errorf("copies of the database: %q, expected %q", found, copies)
	}
}

// copies are the kinds of database copies at staging.
func (s *shop) copies(t testing.TB) []string {
	t.Helper()
	return s.sql(t, "SELECT 'promote.' || split_part(datname, '.', 2) FROM pg_database WHERE datname LIKE 'promote.%' ORDER BY 1")
}

// images are the images of the running services.
func (s *shop) images(t testing.TB, project string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, c := range containers(t, project) {
		out[service(c)] = c.Image
	}
	return out
}
