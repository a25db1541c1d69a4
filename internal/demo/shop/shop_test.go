package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/org/promote-action/internal/demo/fault"
)

// migrated is a database at a release.
func migrated(t *testing.T, release string) string {
	t.Helper()
	url := database(t)
	if code := start(t, "migrate", "DATABASE_URL="+url, "SHOP_RELEASE="+release).wait(t); code != 0 {
		t.Fatalf("migrate: exit status %d", code)
	}
	return url
}

func TestAnOrderGoesThroughTheShop(t *testing.T) {
	url := migrated(t, "2")
	db := "DATABASE_URL=" + url
	uploads := t.TempDir()
	api := start(t, "api", db, "SHOP_UPLOADS="+uploads)
	orders := start(t, "orders", db)
	worker := start(t, "worker", db, "SHOP_ORDERS_URL="+orders.URL, "SHOP_WORKER_INTERVAL=50ms")
	web := start(t, "web", "SHOP_API_URL="+api.URL)
	for name, r := range map[string]*role{"api": api, "orders": orders, "worker": worker, "web": web} {
		if code := r.status("/healthz"); code != 200 {
			t.Errorf("%s: health %d", name, code)
		}
		var version map[string]string
		if _, err := r.get("/version", &version); err != nil || version["service"] != name || version["version"] != "2" {
			t.Errorf("%s: version %v, %v", name, version, err)
		}
		var flags map[string]bool
		if _, err := r.get("/flags", &flags); err != nil || !flags["prices-in-currency"] {
			t.Errorf("%s: flags %v, %v", name, flags, err)
		}
	}

	// An order is acknowledged, known when sent again, and processed.
	for _, want := range []int{http.StatusCreated, http.StatusOK} {
		res, err := http.Post(orders.URL+"/orders", "application/json", strings.NewReader(`{"number": 7, "product": 2, "customer": "ada", "quantity": 3}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("POST /orders: %d, want %d", res.StatusCode, want)
		}
	}
	var c counts
	for deadline := time.Now().Add(10 * time.Second); c.Processed != 1; time.Sleep(20 * time.Millisecond) {
		if _, err := orders.get("/orders/count", &c); err != nil || time.Now().After(deadline) {
			t.Fatalf("not processed: %+v, %v", c, err)
		}
	}
	if want := (counts{Orders: 1, Processed: 1, Highest: 7}); c != want {
		t.Errorf("%+v, want %+v", c, want)
	}
	var numbers []int64
	if _, err := orders.get("/orders/numbers", &numbers); err != nil || fmt.Sprint(numbers) != "[7]" {
		t.Errorf("numbers %v, %v", numbers, err)
	}

	// The page shows the products and the version.
	res, err := http.Get(web.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !bytes.Contains(page, []byte("teapot: 24.90 EUR")) || !bytes.Contains(page, []byte("development, version 2")) {
		t.Errorf("page: %v\n%s", err, page)
	}

	// Uploads stay in their folder.
	for path, want := range map[string]int{"/uploads/a.txt": 201, "/uploads/..%2Fb.txt": 400, "/uploads/.hidden": 400} {
		req, _ := http.NewRequest(http.MethodPut, api.URL+path, strings.NewReader("hello"))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("PUT %s: %d, want %d", path, res.StatusCode, want)
		}
	}
	if code := api.status("/uploads/a.txt"); code != 200 {
		t.Errorf("GET of the upload: %d", code)
	}
	if code := api.status("/uploads/none.txt"); code != 404 {
		t.Errorf("GET of no upload: %d", code)
	}

	// SIGTERM ends each with status 0.
	for _, r := range []*role{web, worker, orders, api} {
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		if code := r.wait(t); code != 0 {
			t.Errorf("%v after SIGTERM: exit status %d", r.cmd.Args[1:], code)
		}
	}
}

func TestOldReleaseRunsOnTheNewSchemaButNotTheOtherWayRound(t *testing.T) {
	old, recent := migrated(t, "1"), migrated(t, "3")
	for _, c := range []struct {
		release, url string
		want         int
	}{{"1", old, 200}, {"1", recent, 200}, {"2", recent, 200}, {"2", old, 503}} {
		api := start(t, "api", "DATABASE_URL="+c.url, "SHOP_RELEASE="+c.release)
		if code := api.status("/healthz"); code != c.want {
			t.Errorf("release %s: health %d, want %d", c.release, code, c.want)
		}
	}
	// It may also migrate by itself.
	api := start(t, "api", "DATABASE_URL="+old, "SHOP_MIGRATE_ON_START=true")
	if code := api.status("/healthz"); code != 200 {
		t.Errorf("after migrating at its start: health %d", code)
	}
}

func TestConfiguration(t *testing.T) {
	for _, c := range []struct {
		role string
		env  map[string]string
		want string
	}{
		{"api", map[string]string{"SHOP_RELEASE": "1"}, ""},
		{"api", map[string]string{"SHOP_RELEASE": "2"}, "SHOP_CURRENCY is not set; release 2 needs it, for example EUR"},
		{"orders", map[string]string{"SHOP_RELEASE": "2"}, ""},
		{"worker", map[string]string{"SHOP_WORKER_INTERVAL": "soon"}, `SHOP_WORKER_INTERVAL: time: invalid duration "soon"`},
		{"web", map[string]string{"SHOP_RELEASE": "two"}, `SHOP_RELEASE: "two" is no number`},
		{"cashier", nil, `unknown role "cashier"; ` + usage},
	} {
		_, err := loadConfig(c.role, func(key string) string { return c.env[key] })
		if got := fmt.Sprint(err); err == nil && c.want != "" || err != nil && got != c.want {
			t.Errorf("%s %v: %v, want %s", c.role, c.env, err, c.want)
		}
	}
}

func TestAFaultIsAtWorkOnlyInStagingAndInItsServices(t *testing.T) {
	for _, f := range fault.All() {
		for _, role := range []string{"web", "api", "orders", "worker", "migrate", "seed"} {
			for _, environment := range []string{"development", "staging"} {
				env := map[string]string{"SHOP_FAULT": string(f), "SHOP_ENVIRONMENT": environment, "SHOP_CURRENCY": "EUR"}
				cfg, err := loadConfig(role, func(key string) string { return env[key] })
				if err != nil {
					t.Fatal(err)
				}
				if want := environment == "staging" && f.In(role); cfg.has(f) != want {
					t.Errorf("%s in %s of %s: %v, want %v", f, role, environment, cfg.has(f), want)
				}
			}
		}
	}
}

func TestSeedMakesTheSizeAskedFor(t *testing.T) {
	url := migrated(t, "1")
	db := pool(t, url)
	size := func() (n int64) {
		if err := db.QueryRow(t.Context(), "SELECT pg_database_size(current_database())").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := size()
	if code := start(t, "seed --bytes 20000000", "DATABASE_URL="+url).wait(t); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	if grown := size() - before; grown < 17e6 || grown > 24e6 {
		t.Errorf("20 MB of data take %d bytes", grown)
	}
	var open int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM orders WHERE processed_at IS NULL").Scan(&open); err != nil || open != 0 {
		t.Errorf("%d open orders, %v", open, err)
	}
}
