package agent

import (
	"strings"
	"testing"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/plan"
)

func TestValuesOfRowsStayOnTheHost(t *testing.T) {
	got := withoutRows([]string{"migrating", `ERROR: duplicate key value violates unique constraint "users_email"`, "DETAIL:  Key (email)=(ada@example.org) already exists.", "Failing row contains (1, ada@example.org)."})
	if strings.Contains(got, "ada") || !strings.Contains(got, "migrating") || !strings.Contains(got, "users_email") {
		t.Error(got)
	}
}

func TestWhatAServerSaysOfTheOldRelease(t *testing.T) {
	for line, damns := range map[string]bool{
		`promote-rehearsal 42703 shop-worker: ERROR:  column "name" does not exist at character 8`:                                  true,
		`promote-rehearsal 23502 [unknown]: ERROR:  null value in column "tenant" of relation "users" violates not-null constraint`: true,
		`promote-rehearsal 57P01 shop-api: FATAL:  terminating connection due to administrator command`:                             false,
		`promote-rehearsal 40001 shop-api: ERROR:  could not serialize access`:                                                      false,
		`promote-rehearsal 00000 shop-api: LOG:  duration: 3 ms`:                                                                    false,
		`2026-01-01 LOG:  database system is ready`:                                                                                 false,
	} {
		m := errorLine.FindStringSubmatch(line)
		if got := m != nil && damning(m[1]); got != damns {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestAProofHoldsForWhatWasRehearsed(t *testing.T) {
	k := kept{Rehearsal: compare.Rehearsal{Class: "app-only"}, Definitions: map[string]string{"db/shop": "a"}}
	for definition, want := range map[string]plan.Class{"a": plan.AppOnly, "b": plan.Restore} {
		if got := k.proved(map[string]string{"db/shop": definition}); got != want {
			t.Errorf("%s: %s", definition, got)
		}
	}
	if got := k.proved(map[string]string{"db/other": "a"}); got != plan.Restore {
		t.Errorf("a database that was not rehearsed: %s", got)
	}
	k.Class = "restore"
	if got := k.proved(map[string]string{"db/shop": "a"}); got != plan.Restore {
		t.Error(got)
	}
}
