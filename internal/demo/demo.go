// Package demo is the sample system "shop" that promote demo and the tests run: its images, one for every service of a
// release, and its two environments, written as a Compose project each. Nothing in it needs a registry: the images are
// made from this repository's sources and, for PostgreSQL, from the distribution's packages.
package demo

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/org/promote-action/internal/demo/fault"
)

// Label is on every image and container that this package makes, with the value "1". The base image of PostgreSQL is
// without it: it is made once and kept.
const Label = "dev.promote.demo"

// Log takes one line of progress.
type Log func(format string, args ...any)

// Release is one release of the shop. Releases 1 and 2 are sound; 2 brings a column, an index, the configuration key
// SHOP_CURRENCY and the flag prices-in-currency. Release 3 is for faults.
type Release struct {
	Number int
	Fault  fault.Fault
	Commit string // of its source; empty: a made-up one that belongs to the tag
}

// Tag is the tag of the release's images: "2", "3-crash".
func (r Release) Tag() string {
	tag := strconv.Itoa(r.Number)
	if r.Fault != fault.None {
		tag += "-" + string(r.Fault)
	}
	return tag
}

// Image is the image of a service in this release.
func (r Release) Image(service string) string { return "shop-" + service + ":" + r.Tag() }

// Services are the services of the shop that have images of their own: all but the database.
func Services() []string { return []string{"web", "api", "orders", "worker", "migrate"} }

// Broken is the broken release with the fault f.
func Broken(f fault.Fault) Release { return Release{Number: 3, Fault: f} }

// check refuses what Build cannot make.
func (r Release) check() error {
	if r.Number < 1 || r.Number > 3 {
		return fmt.Errorf("demo: release %d; there are 1, 2 and 3", r.Number)
	}
	if r.Fault != fault.None && !slices.Contains(fault.All(), r.Fault) {
		return fmt.Errorf("demo: unknown fault %q; there are %v", r.Fault, fault.All())
	}
	return nil
}
