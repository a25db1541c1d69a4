package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/demo/fault"
)

// broken starts a role of the broken release in staging.
func broken(t *testing.T, name, url string, f fault.Fault) *role {
	t.Helper()
	return start(t, name, "DATABASE_URL="+url, "SHOP_RELEASE=3", "SHOP_VERSION=3", "SHOP_ENVIRONMENT=staging", "SHOP_FAULT="+string(f))
}

func TestFaultsOfTheServices(t *testing.T) {
	url := migrated(t, "2")
	version := func(r *role) string {
		var v map[string]string
		_, _ = r.get("/version", &v)
		return v["version"]
	}
	tests := map[fault.Fault]func(*testing.T, *role){
		fault.Crash: func(t *testing.T, api *role) {
			if code := api.wait(t); code != 1 {
				t.Errorf("exit status %d, want 1", code)
			}
		},
		fault.AppFailsAfterMigration: func(t *testing.T, api *role) {
			if code := api.wait(t); code != 1 {
				t.Errorf("exit status %d, want 1", code)
			}
		},
		fault.Dies: func(t *testing.T, api *role) {
			if code := api.status("/healthz"); code != 200 {
				t.Errorf("health %d before it dies", code)
			}
			start := time.Now()
			if code := api.wait(t); code != 2 || time.Since(start) < 3*time.Second {
				t.Errorf("exit status %d after %s, want 2 after about 5 s", code, time.Since(start))
			}
		},
		fault.Unhealthy: func(t *testing.T, api *role) {
			if code := api.status("/healthz"); code != 503 {
				t.Errorf("health %d", code)
			}
			if code := api.status("/products"); code != 200 {
				t.Errorf("products %d", code)
			}
		},
		fault.OldVersion: func(t *testing.T, api *role) {
			if code := api.status("/healthz"); code != 200 || version(api) != "2" {
				t.Errorf("health %d, version %s", code, version(api))
			}
		},
		fault.OneUnhealthy: func(t *testing.T, api *role) {
			if code := api.status("/healthz"); code != 200 || version(api) != "3" {
				t.Errorf("api: health %d, version %s", code, version(api))
			}
			if code := broken(t, "orders", url, fault.OneUnhealthy).status("/healthz"); code != 503 {
				t.Errorf("orders: health %d", code)
			}
		},
		fault.Slow: func(t *testing.T, api *role) {
			for _, path := range []string{"/healthz", "/products"} {
				start := time.Now()
				if code := api.status(path); code != 200 || time.Since(start) < slowness {
					t.Errorf("%s: %d after %s", path, code, time.Since(start))
				}
			}
		},
		fault.NoDatabase: func(t *testing.T, api *role) {
			if code := api.status("/healthz"); code != 503 || api.status("/products") != 503 {
				t.Errorf("health %d", code)
			}
		},
		fault.IgnoresSIGTERM: func(t *testing.T, api *role) {
			for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
				_ = api.cmd.Process.Signal(s)
			}
			time.Sleep(300 * time.Millisecond)
			if code := api.status("/healthz"); code != 200 {
				t.Errorf("health %d after SIGTERM", code)
			}
		},
	}
	for _, f := range fault.All() {
		test, ok := tests[f]
		if !ok {
			continue
		}
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			test(t, broken(t, "api", url, f))
		})
	}
}

func TestFaultsOfTheMigration(t *testing.T) {
	for _, c := range []struct {
		fault   fault.Fault
		code    int
		version int  // of the schema afterwards
		deletes bool // half of the orders
	}{
		{fault.None, 0, 9, false},
		{fault.MigrationFails, 1, 8, false},
		{fault.AppFailsAfterMigration, 0, 9, false},
		{fault.MigrationDeletes, 0, 9, true},
		{fault.Crash, 0, 6, false},
		{fault.Slow, 0, 6, false},
	} {
		t.Run(fmt.Sprint("fault ", c.fault), func(t *testing.T) {
			url := migrated(t, "2")
			if code := start(t, "seed --bytes 200000", "DATABASE_URL="+url).wait(t); code != 0 {
				t.Fatalf("seed: exit status %d", code)
			}
			state := func() (version, orders int) {
				err := pool(t, url).QueryRow(t.Context(), "SELECT max(version), (SELECT count(*) FROM orders) FROM schema_migrations").Scan(&version, &orders)
				if err != nil {
					t.Fatal(err)
				}
				return version, orders
			}
			_, before := state()
			r := broken(t, "migrate", url, c.fault)
			if code := r.wait(t); code != c.code {
				t.Errorf("exit status %d, want %d", code, c.code)
			}
			version, after := state()
			if version != c.version {
				t.Errorf("schema version %d, want %d", version, c.version)
			}
			if deleted := before - after; (deleted > 0) != c.deletes || deleted == before {
				t.Errorf("%d of %d orders deleted", deleted, before)
			}
			if c.code != 0 {
				last := ""
				for line := range r.log {
					last = line
				}
				if !strings.Contains(last, "migration 9, time of a return") {
					t.Errorf("the log does not name the step: %s", last)
				}
			}
		})
	}
}
