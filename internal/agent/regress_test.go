package agent

import (
	"testing"

	"github.com/org/promote-action/internal/promotion"
)

func TestRegressed(t *testing.T) {
	one := func(name, value string) []promotion.Check {
		return []promotion.Check{{Category: "api", Name: name, Service: "api", Status: promotion.Pass, Value: value}}
	}
	for _, c := range []struct {
		name                string
		now, before, source string
		want                promotion.Status
		waits               bool
	}{
		{"version", "2", "1", "2", promotion.Pass, false},
		{"version", "1", "1", "2", promotion.Fail, false},
		{"version", "2-staging", "1-staging", "2", promotion.Warn, false},
		{"version", "1", "1", "1", promotion.Pass, false},
		{"version", "1", "", "", promotion.Pass, false},
		{"latency /", "310.0", "3.0", "", promotion.Fail, true},
		{"latency /", "30.0", "3.0", "", promotion.Pass, false},
		{"latency /", "900.0", "300.0", "", promotion.Pass, false},
		{"latency /", "900.0", "", "", promotion.Pass, false},
	} {
		results := one(c.name, c.now)
		waits := regressed(results, one(c.name, c.before), one(c.name, c.source))
		if results[0].Status != c.want || waits != c.waits {
			t.Errorf("%+v: %s (%s), waits %t", c, results[0].Status, results[0].Message, waits)
		}
	}
}
