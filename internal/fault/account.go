package fault

import (
	"fmt"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// Scope is what the proof of a rollback has to cover.
type Scope struct {
	Databases, Volumes int
	Opened             bool // the new release was let into the databases
	KeepsData          bool // the rollback leaves data as it is
}

// Account returns what of the account of a promotion that is over contradicts its outcome.
func Account(a promotion.Result, scope Scope) []string {
	var wrong []string
	violate := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	back := false
	for _, ph := range a.Phases {
		if ph.Reason == "under way" || ph.Reason == "not run yet" {
			violate("account: phase %s is %s (%s) although all is over", ph.Phase, ph.Status, ph.Reason)
		}
		seen := map[string]bool{}
		for _, s := range ph.Steps {
			if seen[s.Name] {
				violate("account: step %s of %s twice", s.Name, ph.Phase)
			}
			seen[s.Name] = true
		}
		if a.Outcome == promotion.Done && ph.Status != promotion.Pass && ph.Phase.Mutates() {
			violate("account: done, and phase %s is %s (%s)", ph.Phase, ph.Status, ph.Reason)
		}
		back = back || ph.Phase == promotion.Rollback
	}
	switch a.Outcome {
	case promotion.RolledBack, promotion.Restored:
		if !back {
			violate("account: rolled back without a phase rollback")
		}
		if a.Reason == "" {
			violate("account: no reason")
		}
		if len(a.Rollback) > 0 {
			violate("account: rollback errors of a rollback that went well: %v", a.Rollback)
		}
		wrong = append(wrong, proof(a.Proof, scope)...)
	case promotion.Done:
		if a.Failure != nil || back {
			violate("account: done with failure %v, rollback %t", a.Failure, back)
		}
	}
	return wrong
}

// proof returns what the proof of a rollback lacks.
func proof(p *promotion.Proof, scope Scope) []string {
	if p == nil || !p.Equal {
		return []string{fmt.Sprintf("proof: %+v", p)}
	}
	var wrong []string
	areas := map[string]int{}
	for _, item := range p.Items {
		areas[item.Area]++
	}
	if areas["images"] == 0 || areas["configuration"] == 0 || areas["health"] != 1 {
		wrong = append(wrong, fmt.Sprintf("proof: %v", areas))
	}
	if scope.KeepsData || !scope.Opened {
		return wrong
	}
	if n := scope.Databases; areas["schema"] != n || areas["rows"] != n {
		wrong = append(wrong, fmt.Sprintf("proof: %d databases, %v", n, areas))
	}
	if areas["volumes"] < scope.Volumes {
		wrong = append(wrong, fmt.Sprintf("proof: %d volumes: %v", scope.Volumes, areas))
	}
	return wrong
}

// Copies returns which of the copies of one server's databases, by name, should not be there, or are missing, after the
// promotion with the id. Outcomes are those of all promotions of the target.
func Copies(names []string, id string, outcomes map[string]promotion.Outcome) []string {
	var wrong []string
	restorable := false
	for _, name := range names {
		rest, _ := strings.CutPrefix(name, "promote.")
		kind, rest, _ := strings.Cut(rest, ".")
		of, _, _ := strings.Cut(rest, ".")
		outcome := outcomes[of]
		restorable = restorable || kind == "restore" && of == id
		switch {
		case kind == "restore" && outcome == promotion.Done && (outcomes[id] != promotion.Done || of == id):
		case kind == "failed" && outcomes[id] != promotion.Done && (outcome == promotion.RolledBack || outcome == promotion.Restored):
		default:
			wrong = append(wrong, fmt.Sprintf("copy %s of a promotion that is %q is left", name, outcome))
		}
	}
	if outcomes[id] == promotion.Done && !restorable {
		wrong = append(wrong, fmt.Sprintf("the restore point of %s is gone: %q", id, names))
	}
	return wrong
}
