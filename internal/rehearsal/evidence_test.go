package rehearsal_test

import (
	"strings"
	"testing"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/rehearsal"
)

// TestWhatSpeaksAgainstKeepingTheData takes evidence that proves app-only and adds one thing at a time.
func TestWhatSpeaksAgainstKeepingTheData(t *testing.T) {
	passed := promotion.Check{Category: "health", Name: "running", Service: "api", Status: promotion.Pass}
	good := func() rehearsal.Evidence {
		objects := map[string]string{"table public.orders": "owner=shop"}
		return rehearsal.Evidence{Databases: []rehearsal.Database{{Name: "shop", Before: objects, After: objects}}, Checks: []promotion.Check{passed}}
	}
	if class, why := rehearsal.Class(good()); class != plan.AppOnly {
		t.Fatalf("%s: %s", class, why)
	}
	for name, test := range map[string]struct {
		add func(*rehearsal.Evidence)
		why string
	}{
		"a doubt":              {func(e *rehearsal.Evidence) { e.Doubts = []string{"web was not rehearsed"} }, "web was not rehearsed"},
		"an error":             {func(e *rehearsal.Evidence) { e.Errors = []string{"column is missing"} }, "column is missing"},
		"a check that fails":   {func(e *rehearsal.Evidence) { e.Checks[0].Status = promotion.Fail }, "api running"},
		"one that cannot tell": {func(e *rehearsal.Evidence) { e.Checks[0].Status = promotion.Error }, "api running"},
		"checks that skip":     {func(e *rehearsal.Evidence) { e.Checks[0].Status = promotion.Skip }, "no check"},
		"no check":             {func(e *rehearsal.Evidence) { e.Checks = nil }, "no check"},
		"an unread table": {func(e *rehearsal.Evidence) {
			e.Databases[0].Tables = []rehearsal.Table{{Name: "t", Unread: "no right"}}
		}, "no right"},
		"fewer rows": {func(e *rehearsal.Evidence) {
			e.Databases[0].Tables = []rehearsal.Table{{Name: "t", Before: 4, After: 2, Deleted: 2}}
		}, "takes rows away from t"},
		"counters that lag": {func(e *rehearsal.Evidence) {
			e.Databases[0].Tables = []rehearsal.Table{{Name: "t", Before: 4, After: 5}}
		}, "changes rows of t"},
		"a sequence":  {func(e *rehearsal.Evidence) { e.Databases[0].Rewound = []string{"s"} }, "sequence s"},
		"a statement": {func(e *rehearsal.Evidence) { e.Databases[0].Broken = []string{"SELECT 1: no"} }, "SELECT 1"},
		"an unknown object": {func(e *rehearsal.Evidence) {
			e.Databases[0].After = map[string]string{"table public.orders": "owner=shop", "cast (a as b)": ""}
		}, "not known"},
	} {
		e := good()
		test.add(&e)
		if class, why := rehearsal.Class(e); class != plan.Restore || !strings.Contains(why, test.why) {
			t.Errorf("%s: %s, %s", name, class, why)
		}
	}
	both := good()
	both.Doubts = []string{"web was not rehearsed"}
	both.Databases[0].Rewound = []string{"s"}
	if _, why := rehearsal.Class(both); !strings.HasPrefix(why, "sequence s") || !strings.HasSuffix(why, "(and 1 more)") {
		t.Errorf("what the migration does comes first: %s", why)
	}
}
