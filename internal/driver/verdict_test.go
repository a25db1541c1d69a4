package driver

import (
	"errors"
	"strings"
	"testing"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/promotion"
)

// What a verdict does to a promotion: nothing but words where it is reported, and what the policy says where it is enforced.
func TestVerdictOfAPromotion(t *testing.T) {
	report := config.Policy{Verdict: config.ReportVerdict, OnCaution: config.StopOnCaution}
	stop := config.Policy{Verdict: config.EnforceVerdict, OnCaution: config.StopOnCaution}
	goOn := config.Policy{Verdict: config.EnforceVerdict, OnCaution: config.ContinueOnCaution}
	for _, c := range []struct {
		verdict compare.Verdict
		policy  config.Policy
		status  promotion.Status
		outcome promotion.Outcome
	}{
		{compare.Ready, report, promotion.Pass, ""},
		{compare.Ready, stop, promotion.Pass, ""},
		{compare.Caution, report, promotion.Warn, ""},
		{compare.Caution, stop, promotion.Fail, promotion.Inconclusive},
		{compare.Caution, goOn, promotion.Warn, ""},
		{compare.Unknown, report, promotion.Warn, ""},
		{compare.Unknown, stop, promotion.Fail, promotion.Inconclusive},
		{compare.Unknown, goOn, promotion.Fail, promotion.Inconclusive},
		{compare.NotReady, report, promotion.Warn, ""},
		{compare.NotReady, stop, promotion.Fail, promotion.Refused},
		{compare.NotReady, goOn, promotion.Fail, promotion.Refused},
	} {
		score := 80.4
		made := compare.Comparison{
			Verdict: c.verdict, Score: &score, Coverage: 91, Why: "the reason", From: compare.Side{Environment: "dev"}, To: compare.Side{Environment: "staging"},
			Blocking: []compare.Objective{{Title: "a rollback is possible", Why: "it is not"}},
		}
		check := verdictCheck(made, c.policy)
		if check.Status != c.status || !strings.Contains(check.Message, "score 80 of 100, coverage 91 %") || (c.verdict != compare.Ready) != strings.Contains(check.Message, "the reason") {
			t.Errorf("%s with %+v: %+v", c.verdict, c.policy, check)
		}
		if (check.Status == promotion.Fail) != (c.outcome != "") {
			t.Errorf("%s: %s", c.verdict, check.Status)
		}
		if c.outcome == "" {
			continue
		}
		var told *Error
		if err := inconclusive(&Error{Outcome: promotion.Refused, Message: "test"}, made); !errors.As(err, &told) || told.Outcome != c.outcome {
			t.Errorf("%s ends as %v, want %s", c.verdict, err, c.outcome)
		}
	}
	if err := inconclusive(nil, compare.Comparison{Verdict: compare.Caution}); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// Before the tests have run there is a score of what is known, and no verdict.
func TestForeseen(t *testing.T) {
	measured := 95.2
	c := compare.Comparison{Verdict: compare.Unknown, Measured: &measured, Coverage: 77, From: compare.Side{Environment: "dev"}}
	if got := foreseen(c); got != "readiness so far: 95 of 100, over the 77 % that are known before the tests of dev" {
		t.Error(got)
	}
	c.Measured, c.Blocking = nil, []compare.Objective{{Title: "a rollback is possible"}}
	if got := foreseen(c); got != "readiness so far: no score; the tests of dev are still to come; not ready: a rollback is possible" {
		t.Error(got)
	}
}
