package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	composecli "github.com/compose-spec/compose-go/v2/cli"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	promoteconfig "github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/demo/fault"
)

func TestWriteGivesTwoValidComposeProjects(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	shop, err := Write(dir, Options{Staging: "other-staging", Postgres: "postgres:17"})
	if err != nil {
		t.Fatal(err)
	}
	passwords := map[string]bool{}
	for _, c := range []struct {
		e             Environment
		project, tag  string
		currency, env string
	}{
		{shop.Development, "shop-dev", "2", "USD", "development"},
		{shop.Staging, "other-staging", "1", "EUR", "staging"},
	} {
		o, err := composecli.NewProjectOptions(c.e.Files, composecli.WithName(c.e.Project), composecli.WithWorkingDirectory(c.e.Dir),
			composecli.WithEnvFiles(c.e.EnvFile), composecli.WithDotEnv)
		if err != nil {
			t.Fatal(err)
		}
		p, err := o.LoadProject(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != c.project || len(p.Services) != 6 || len(p.Volumes) != 2 {
			t.Errorf("project %s with %d services and %d volumes", p.Name, len(p.Services), len(p.Volumes))
		}
		for _, service := range Services() {
			s := p.Services[service]
			if s.Image != "shop-"+service+":"+c.tag || *s.Environment["SHOP_ENVIRONMENT"] != c.env {
				t.Errorf("%s of %s: image %s, environment %s", service, c.project, s.Image, *s.Environment["SHOP_ENVIRONMENT"])
			}
			for _, port := range s.Ports {
				if port.HostIP != "127.0.0.1" || port.Published != "" && port.Published != "0" {
					t.Errorf("%s: port %+v; want one that the engine chooses, on 127.0.0.1", service, port)
				}
			}
		}
		if got := *p.Services["api"].Environment["SHOP_CURRENCY"]; got != c.currency {
			t.Errorf("currency %s", got)
		}
		db := p.Services["db"]
		if db.Image != "postgres:17" || db.StopSignal != "SIGINT" {
			t.Errorf("db: image %s, stop signal %s", db.Image, db.StopSignal)
		}
		passwords[*db.Environment["POSTGRES_PASSWORD"]] = true
	}
	if len(passwords) != 2 {
		t.Error("both environments have the same password")
	}
	config, err := os.ReadFile(shop.Config)
	if err != nil || !strings.Contains(string(config), "project: other-staging,") {
		t.Errorf("%v\n%s", err, config)
	}
	if _, err := promoteconfig.Validate(shop.Config, os.LookupEnv); err != nil {
		t.Errorf("promote.yml: %v", err)
	}
	if _, err := Write(dir, Options{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("files that are there were written over: %v", err)
	}
	if err := shop.Staging.Set("SHOP_TAG", "3-crash"); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(shop.Staging.EnvFile)
	if err != nil || strings.Count(string(env), "SHOP_TAG=") != 1 || !strings.Contains(string(env), "SHOP_TAG=3-crash\n") {
		t.Errorf("%v\n%s", err, env)
	}
}

// TestAnEnvironmentOverItsReleases brings staging up at release 1, takes it to 2, and then to releases with one service
// that is never healthy and with a migration that fails.
func TestAnEnvironmentOverItsReleases(t *testing.T) {
	if testing.Short() {
		t.Skip("starts containers")
	}
	engine := connect(t)
	compose := composer(t, engine)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	postgres, err := EnsurePostgres(ctx, engine, 15, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if err := Build(ctx, engine, t.Logf, all()...); err != nil {
		t.Fatal(err)
	}
	shop, err := Write(t.TempDir(), Options{Staging: project(t, engine), Postgres: postgres})
	if err != nil {
		t.Fatal(err)
	}
	staging := shop.Staging

	if err := staging.Up(ctx, compose, Release{Number: 1}, t.Logf); err != nil {
		t.Fatal(err)
	}
	if err := staging.Seed(ctx, engine, SmallSeed, t.Logf); err != nil {
		t.Fatal(err)
	}
	serves(t, engine, staging, "1")

	if err := staging.Up(ctx, compose, Release{Number: 2}, t.Logf); err != nil {
		t.Fatal(err)
	}
	serves(t, engine, staging, "2")
	if url, err := staging.URL(ctx, engine, "web"); err != nil {
		t.Error(err)
	} else if code, page := get(t, url+"/"); code != 200 || !strings.Contains(page, "teapot: 24.90 EUR") {
		t.Errorf("%d\n%s", code, page)
	}

	if err := staging.Up(ctx, compose, Broken(fault.OneUnhealthy), t.Logf); err == nil || !strings.Contains(err.Error(), "orders") {
		t.Errorf("%v; want the service orders named", err)
	}
	if err := staging.Up(ctx, compose, Broken(fault.MigrationFails), t.Logf); err == nil {
		t.Error("a release whose migration fails came up")
	}

	migrate, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: labels(staging.Project, "migrate")})
	if err != nil || len(migrate) != 1 {
		t.Fatalf("%d containers of migrate, %v", len(migrate), err)
	}
	if log := logTail(ctx, engine, migrate[0].ID); !strings.Contains(log, `relation \"refunds\" does not exist`) {
		t.Errorf("log of migrate: %s", log)
	}
	if err := compose.Down(ctx, staging.Project); err != nil {
		t.Error(err)
	}
	if states := compose.states(ctx, staging.Project); len(states) != 0 {
		t.Errorf("left: %v", states)
	}
}

// serves checks that api and orders answer with the version.
func serves(t *testing.T, engine *client.Client, e Environment, version string) {
	t.Helper()
	for _, service := range []string{"api", "orders"} {
		url, err := e.URL(t.Context(), engine, service)
		if err != nil {
			t.Fatal(err)
		}
		if code, body := get(t, url+"/healthz"); code != 200 {
			t.Errorf("%s: %d %s", service, code, body)
		}
		if code, body := get(t, url+"/version"); code != 200 || !strings.Contains(body, `"version":"`+version+`"`) {
			t.Errorf("%s: %d %s", service, code, body)
		}
	}
}
