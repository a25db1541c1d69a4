package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/org/promote-action/internal/demo/fault"
)

// config is what a role reads from the environment.
type config struct {
	Role        string
	Environment string      // SHOP_ENVIRONMENT: development or staging
	Release     int         // SHOP_RELEASE, baked into the image
	Version     string      // SHOP_VERSION, baked into the image; the release's number when missing
	Commit      string      // SHOP_COMMIT, baked into the image
	Baked       fault.Fault // SHOP_FAULT, baked into the image
	Fault       fault.Fault // the baked one where it is at work: in staging, in the services that it is about
	Database    string      // DATABASE_URL; empty: pgx reads PGHOST, PGUSER and so on
	Listen      string      // SHOP_LISTEN
	API         string      // SHOP_API_URL
	Orders      string      // SHOP_ORDERS_URL
	Currency    string      // SHOP_CURRENCY, needed from release 2 on
	Uploads     string      // SHOP_UPLOADS: a folder
	Interval    time.Duration
	Debug       bool // SHOP_LOG_LEVEL=debug

	MigrateOnStart bool // SHOP_MIGRATE_ON_START=true: api migrates by itself
}

// has reports whether the fault f is at work here.
func (c config) has(f fault.Fault) bool { return f != fault.None && c.Fault == f }

// version is what /version says.
func (c config) version() string {
	if c.has(fault.OldVersion) {
		return strconv.Itoa(c.Release - 1)
	}
	if c.Version != "" {
		return c.Version
	}
	return strconv.Itoa(c.Release)
}

// loadConfig reads the environment of a role. All problems are reported at once.
func loadConfig(role string, getenv func(string) string) (config, error) {
	or := func(key, fallback string) string {
		if v := getenv(key); v != "" {
			return v
		}
		return fallback
	}
	c := config{
		Role:        role,
		Environment: or("SHOP_ENVIRONMENT", "development"),
		Version:     getenv("SHOP_VERSION"),
		Commit:      getenv("SHOP_COMMIT"),
		Database:    getenv("DATABASE_URL"),
		Listen:      or("SHOP_LISTEN", ":8080"),
		API:         or("SHOP_API_URL", "http://api:8080"),
		Orders:      or("SHOP_ORDERS_URL", "http://orders:8080"),
		Currency:    getenv("SHOP_CURRENCY"),
		Uploads:     getenv("SHOP_UPLOADS"),
		Debug:       getenv("SHOP_LOG_LEVEL") == "debug",

		MigrateOnStart: getenv("SHOP_MIGRATE_ON_START") == "true",
	}
	var problems []error
	switch role {
	case "web", "api", "orders", "worker", "migrate", "seed":
	default:
		problems = append(problems, fmt.Errorf("unknown role %q; %s", role, usage))
	}
	var err error
	if c.Release, err = strconv.Atoi(or("SHOP_RELEASE", "1")); err != nil {
		problems = append(problems, fmt.Errorf("SHOP_RELEASE: %q is no number", getenv("SHOP_RELEASE")))
	}
	if c.Interval, err = time.ParseDuration(or("SHOP_WORKER_INTERVAL", "1s")); err != nil {
		problems = append(problems, fmt.Errorf("SHOP_WORKER_INTERVAL: %w", err))
	}
	if c.Release >= 2 && c.Currency == "" && role == "api" {
		problems = append(problems, errors.New("SHOP_CURRENCY is not set; release 2 needs it, for example EUR"))
	}
	c.Baked = fault.Fault(getenv("SHOP_FAULT"))
	if c.Environment == "staging" && c.Baked.In(role) {
		c.Fault = c.Baked
	}
	return c, errors.Join(problems...)
}
