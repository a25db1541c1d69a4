package compare

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// TestFormula holds score and coverage against the sums worked out by hand.
func TestFormula(t *testing.T) {
	objectives := []Objective{
		{ID: "a", Weight: 6},
		{ID: "b", Weight: 3},
		{ID: "c", Weight: 1},
		{ID: "d", Weight: 2, Status: promotion.Error, Why: "unread"},
		{ID: "e", Weight: 50, Status: promotion.Skip},
	}
	findings := []Finding{
		{ID: "1", Objective: "b", Severity: Warn, Message: "half"},
		{ID: "2", Objective: "c", Severity: Warn},
		{ID: "3", Objective: "c", Severity: Fail, Message: "none"},
		{ID: "4", Objective: "a", Severity: Info},
		{ID: "5", Objective: "a", Severity: Fail, Accepted: &Acceptance{}},
	}
	judge(objectives, findings, nil)
	var all tally
	for _, o := range objectives {
		all.add(o)
	}
	lose(objectives, all)
	score, measured := all.score()
	// earned 6 + 1.5, measured 10, possible 12
	if *score != 62.5 || *measured != 75 || all.coverage() != 83.3 {
		t.Errorf("score %v, measured %v, coverage %v", *score, *measured, all.coverage())
	}
	want := []struct {
		status promotion.Status
		lost   float64
		why    string
		count  int
	}{{promotion.Pass, 0, "", 0}, {promotion.Warn, 12.5, "half", 1}, {promotion.Fail, 8.3, "none", 2}, {promotion.Error, 16.7, "unread", 0}, {promotion.Skip, 0, "", 0}}
	for i, w := range want {
		if o := objectives[i]; o.Status != w.status || o.Lost != w.lost || o.Why != w.why || o.Count != w.count {
			t.Errorf("%s: %s, %v lost, %q, %d findings, want %+v", o.ID, o.Status, o.Lost, o.Why, o.Count, w)
		}
	}
}

// TestVerdicts is the table of the decision: what failed for sure, then what is missing, then the score.
func TestVerdicts(t *testing.T) {
	number := func(f float64) *float64 { return &f }
	key := Objective{ID: "k", Key: true, Title: "it holds", Status: promotion.Fail, Why: "it does not"}
	unread := Objective{ID: "k", Key: true, Title: "it holds", Status: promotion.Error, Why: "no answer"}
	for _, c := range []struct {
		name             string
		score, measured  *float64
		coverage         float64
		blocking, others []Objective
		want             Verdict
		why              string
	}{
		{"ready", number(90), number(90), 100, nil, nil, Ready, "reaches 90"},
		{"just not", number(89.9), number(89.9), 100, nil, nil, Caution, "not 90"},
		{"caution", number(75), number(75), 100, nil, nil, Caution, "reaches 75"},
		{"below", number(74.9), number(74.9), 100, nil, nil, NotReady, "below 75"},
		{"a good score of too little", number(70), number(100), 79.9, nil, nil, Unknown, "79.9 % was measured; a verdict needs 80 %"},
		{"a bad score of too little", number(5), number(10), 50, nil, nil, Unknown, "needs 80 %"},
		{"too low for what is missing", number(74), number(88), 84, nil, nil, Unknown, "over what was measured it is 88"},
		{"key failed", number(99), number(99), 100, []Objective{key}, nil, NotReady, "it holds: it does not"},
		{"key failed, little measured", number(5), number(50), 10, []Objective{key, key}, nil, NotReady, "and 1 more"},
		{"key unread", number(98), number(100), 98, nil, []Objective{unread}, Unknown, "could not be found out: no answer"},
		{"nothing", nil, nil, 0, nil, nil, Unknown, "nothing could be measured"},
	} {
		got, why := verdict(Comparison{Score: c.score, Measured: c.measured, Coverage: c.coverage, Policy: DefaultPolicy(), Blocking: c.blocking, Objectives: c.others})
		if got != c.want || !strings.Contains(why, c.why) {
			t.Errorf("%s: %s, %q", c.name, got, why)
		}
	}
	if Unknown.Reaches(Caution) || NotReady.Reaches(Caution) || Caution.Reaches(Ready) || !Caution.Reaches(Caution) || !Ready.Reaches(Caution) {
		t.Error("a verdict reaches what it should not")
	}
}

// TestDown compares with environments that are not there, or that do not run: unknown, and never a crash.
func TestDown(t *testing.T) {
	for name, do := range map[string]func(in *Input){
		"the source":  func(in *Input) { in.From, in.FromWhy = nil, "no engine" },
		"the target":  func(in *Input) { in.To, in.ToWhy = nil, "no engine" },
		"both":        func(in *Input) { *in = Input{Now: noon} },
		"all stopped": func(in *Input) { stop(in.From) },
		"no tests":    func(in *Input) { in.Tests = nil },
		"no details":  func(in *Input) { in.From.Details, in.To.Details = nil, nil },
		"empty": func(in *Input) {
			in.From, in.To = &snapshot.Snapshot{}, &snapshot.Snapshot{}
		},
	} {
		in := copied(t, sound())
		do(&in)
		c := Compare(in)
		if c.Verdict != Unknown || c.Verdict.Outcome() != promotion.Inconclusive {
			t.Errorf("%s: %s, %s", name, c.Verdict, c.Why)
		}
		if name == "the source" && (c.From.Missing != "no engine" || c.From.Environment != "development" || len(c.Areas[0].Missing) == 0) {
			t.Errorf("what is missing is not told: %+v, %+v", c.From, c.Areas[0])
		}
	}
	in := copied(t, sound())
	in.From = nil
	if at := slices.IndexFunc(Compare(in).Objectives, func(o Objective) bool { return o.ID == "readiness.plan" && o.Status == promotion.Error }); at < 0 {
		t.Error("a plan for a source that was not read can be told")
	}
	// What is certain stays certain beside an environment that is down.
	in = copied(t, sound())
	in.To = nil
	container(in.From, "api").State = "exited"
	if c := Compare(in); c.Verdict != NotReady {
		t.Errorf("%s: %s", c.Verdict, c.Why)
	}
}

func stop(s *snapshot.Snapshot) {
	for i := range s.Services {
		s.Services[i].Containers[0].State = "exited"
	}
}

// TestAcceptances wants an accepted finding to be shown and to cost nothing, until its day is over.
func TestAcceptances(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	lacking := func(a ...Acceptance) Comparison {
		in := copied(t, sound())
		without(in.To, "LOG_LEVEL")
		in.Accepted = a
		return Compare(in)
	}
	held := lacking(Acceptance{Finding: "configuration/key-missing/api.*", Reason: "only there", Until: day(25)})
	at := slices.IndexFunc(held.Findings, func(f Finding) bool { return f.Kind == "key-missing" })
	if points(held.Score) != 100 || at < 0 || held.Findings[at].Accepted == nil || held.Findings[at].Accepted.Reason != "only there" || len(held.Expired) != 0 {
		t.Errorf("accepted until today: score %v, %+v", points(held.Score), held.Findings)
	}
	for name, a := range map[string]Acceptance{
		"yesterday": {Finding: "configuration/*", Reason: "was so", Until: day(24)},
		"no reason": {Finding: "configuration/*", Reason: " ", Until: day(30)},
		"no day":    {Finding: "configuration/*", Reason: "so"},
	} {
		if c := lacking(a); points(c.Score) == 100 || len(c.Expired) != 1 {
			t.Errorf("%s: score %v, expired %+v", name, points(c.Score), c.Expired)
		}
	}
	if c := lacking(Acceptance{Finding: "flags/*", Reason: "another", Until: day(30)}); points(c.Score) == 100 || len(c.Expired) != 0 {
		t.Errorf("another finding is accepted: %v", points(c.Score))
	}
}

// TestDeletedDataIsAcceptedByName wants a finding that deletes data to need its whole ID, and to be shown first even then.
func TestDeletedDataIsAcceptedByName(t *testing.T) {
	deleting := func(pattern string) Comparison {
		in := copied(t, sound())
		in.Rehearsal = &Rehearsal{Databases: []RehearsedData{{Database: "shop", Rows: []RehearsedTable{{Table: "orders", Before: 5, After: 3}}}}}
		in.Tests[2].Status = promotion.Fail
		in.Accepted = []Acceptance{{Finding: pattern, Reason: "old carts", Until: noon}}
		return Compare(in)
	}
	if c := deleting("readiness/*"); c.Verdict != NotReady || len(c.Blocking) != 1 {
		t.Errorf("a pattern accepts deleted data: %s", c.Verdict)
	}
	c := deleting("readiness/rows-deleted/shop.orders")
	if c.Verdict == NotReady || len(c.Blocking) != 0 {
		t.Errorf("not accepted by its ID: %s, %s", c.Verdict, c.Why)
	}
	at := slices.IndexFunc(c.Findings, func(f Finding) bool { return f.Area == Readiness })
	if f := c.Findings[at]; f.Kind != "rows-deleted" || f.Accepted == nil {
		t.Errorf("the first finding of readiness is %s", f.ID)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"a*", "ab\nc", true},
		{"*c", "abc", true},
		{"a*b*c", "a.b.c", true},
		{"a*b*c", "acb", false},
		{"aa*aa", "aaa", false},
		{"a**b", "ab", true},
		{"*x*", "abc", false},
	} {
		if got := match(c.pattern, c.text); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.text, got)
		}
	}
}

// TestVersionOrder holds the order of versions against the examples of Semantic Versioning §11.
func TestVersionOrder(t *testing.T) {
	rising := []string{"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "v1.0.0", "1.0.1", "1.2", "1.10.0+build", "2"}
	for i, a := range rising {
		for j, b := range rising {
			order, ok := versionOrder(a, b)
			if !ok || (order > 0) != (i > j) || (order < 0) != (i < j) {
				t.Errorf("%s and %s: %d, %v", a, b, order, ok)
			}
		}
	}
	for _, none := range []string{"", "main", "1.x", "sha-1", "1..2", "-1"} {
		if _, ok := versionOrder(none, "1.0.0"); ok {
			t.Errorf("%q is taken for a version", none)
		}
	}
}

// TestWeights gives weights from a policy, also ones that are none.
func TestWeights(t *testing.T) {
	in := copied(t, sound())
	in.Tests[2].Status = promotion.Fail
	in.Policy.Weights = map[string]float64{"readiness.tests": 0, "flags.known": -3, "nobody.knows": 5}
	if c := Compare(in); points(c.Score) != 100 || c.Verdict != Ready {
		t.Errorf("a weight of 0 still counts: %v, %s", points(c.Score), statuses(c))
	}
	in.Policy.Weights = map[string]float64{"readiness.tests": 1000}
	if c := Compare(in); points(c.Score) > 10 || c.Verdict != NotReady {
		t.Errorf("a weight of 1000 does not count: %v", points(c.Score))
	}
}
