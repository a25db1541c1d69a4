// Package check asks an environment whether it works: its services, their APIs, its databases and what a project adds.
// A category is one file with a function from a Subject to its tests; the runner knows none of them by name.
package check

import (
	"context"
	"errors"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// ErrCategory is a category that no test can have.
var ErrCategory = errors.New("unknown category")

// Test is one question to an environment. Run answers it within its context; the runner fills in everything of the
// result that is a field of the test, and how long it took.
type Test struct {
	Category    string
	Name        string // unique within category and service
	Environment string
	Service     string
	Critical    bool
	Timeout     time.Duration // its own deadline; 0 means 30 s
	Alone       bool          // measures time: runs after all others and never beside another test
	Run         func(ctx context.Context) promotion.Check
}

// category is a named group of tests.
type category struct {
	name  string
	tests func(Subject) []Test
}

// categories are all of them, in the order of their results: what the later ones ask rests on the earlier.
func categories() []category {
	return []category{
		{"health", func(s Subject) []Test { return append(healthTests(s), smokeTests(s)...) }},
		{"api", apiTests},
		{"database", databaseTests},
		{"custom", customTests},
	}
}

// Categories are the names that Options.Only accepts.
func Categories() []string {
	var names []string
	for _, c := range categories() {
		names = append(names, c.name)
	}
	return names
}

// Tests are all tests of a subject, in the order of the categories, services and databases.
func Tests(s Subject) []Test {
	var tests []Test
	for _, c := range categories() {
		for _, t := range c.tests(s) {
			t.Category, t.Environment = c.name, s.Environment
			if t.Timeout <= 0 {
				t.Timeout = s.Defaults.Timeout
			}
			tests = append(tests, t)
		}
	}
	return tests
}
