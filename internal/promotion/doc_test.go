package promotion

import (
	"slices"
	"testing"
	"time"
)

func TestParsePhases(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []Phase
		ok   bool
	}{
		{"", Forward, true},
		{"test, preflight", []Phase{Preflight, Test}, true},
		{"deploy,deploy", []Phase{Deploy}, true},
		{"rollback", []Phase{Rollback}, true},
		{"rollback,deploy", nil, false},
		{"deply", nil, false},
	} {
		got, err := ParsePhases(c.in)
		if (err == nil) != c.ok || !slices.Equal(got, c.want) {
			t.Errorf("ParsePhases(%q) = %v, %v", c.in, got, err)
		}
	}
}

func TestIDs(t *testing.T) {
	id := NewID(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), "42")
	if id != "20260304-050607-42" || !ValidID(id) {
		t.Fatalf("got %q", id)
	}
	for _, bad := range []string{"", "20260304-050607", "20260304-050607-", "../20260304-050607-1", "20260304-050607-a/b"} {
		if ValidID(bad) {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestAnEmptyProofProvesNothing(t *testing.T) {
	if (&Proof{}).Holds() {
		t.Fatal("nothing was compared, yet it holds")
	}
	p := Proof{Items: []ProofItem{{Equal: true}, {Equal: false}}}
	if p.Holds() {
		t.Fatal("one difference, yet it holds")
	}
}

func TestExitCodes(t *testing.T) {
	for o, code := range map[Outcome]int{Done: 0, Restored: 0, Refused: 3, Canceled: 3, RolledBack: 4, RollbackFailed: 5, Locked: 6, Inconclusive: 7, Running: 1} {
		if o.Code() != code {
			t.Errorf("%s: %d, want %d", o, o.Code(), code)
		}
	}
}
