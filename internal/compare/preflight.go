package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// preflight takes what the target's preflight found, each check under the objective that it answers.
func preflight(a *areaFindings, in Input) {
	all := []string{"readiness.rollback", "readiness.plan", "readiness.backup", "readiness.disk", "readiness.lock"}
	if len(in.Preflight) == 0 {
		a.miss("preflight of "+name(in.To, in.Names[1])+" was not run", "start the target, so that it can be asked", all...)
		return
	}
	answered := map[string]bool{}
	for _, c := range byCheck(in.Preflight) {
		objective := asks(c)
		if objective == "" {
			continue
		}
		if c.Status != promotion.Skip {
			answered[objective] = true
		}
		checked(a, c, objective, strings.TrimPrefix(objective, "readiness."), "put it right at the target: a promotion begins with the same checks")
	}
	for _, objective := range []string{"readiness.disk", "readiness.lock"} {
		if !answered[objective] {
			a.miss("preflight did not say whether "+objectiveOf(objective).Title, "", objective)
		}
	}
	for i, side := range in.sides() {
		if side == nil {
			a.miss(absent(in.Names[i], [2]string{in.FromWhy, in.ToWhy}[i]), "", "readiness.plan")
		}
		for _, m := range missingParts(side) {
			a.miss(fmt.Sprintf("%s of %s could not be read: %s", m.Part, side.Environment, m.Reason), "", "readiness.plan")
		}
	}
	wayBack(a, in)
}

// asks is the objective that a check of preflight answers: none for what the snapshots say themselves.
func asks(c promotion.Check) string {
	switch {
	case c.Category == "services" && (c.Name == "running" || c.Name == "before"):
		return ""
	case c.Category == "rollback", strings.HasPrefix(c.Name, rollbackOf):
		return "readiness.rollback"
	case c.Category == "backup":
		return "readiness.backup"
	case c.Category == "disk", c.Name == "disk":
		return "readiness.disk"
	case c.Category == "lock", c.Name == "lock", c.Category == "target" && c.Name == "state":
		return "readiness.lock"
	default:
		return "readiness.plan"
	}
}

// rollbackOf begins the name of the check that tries a rollback of a database on a throwaway one.
const rollbackOf = "rollback of "

// wayBack wants a proof for every database of the target that it can be brought back and saved. A target without
// databases is brought back from the record of its containers.
func wayBack(a *areaFindings, in Input) {
	const rollback, backup = "readiness.rollback", "readiness.backup"
	if in.To == nil {
		a.miss(absent(in.Names[1], in.ToWhy), "", rollback, backup)
		return
	}
	if slices.ContainsFunc(in.To.Missing, isDatabasePart) {
		a.miss("not every database of "+in.To.Environment+" could be read", "", rollback, backup)
	}
	for _, server := range in.To.Servers {
		for _, db := range server.Databases {
			if !slices.ContainsFunc(in.Preflight, func(c promotion.Check) bool { return c.Name == rollbackOf+db.Name && c.Status != promotion.Skip }) {
				a.miss("whether database "+db.Name+" can be rolled back was not tried", "", rollback)
			}
			if !db.Rights.Superuser && !db.Rights.Owner {
				a.add(backup, "backup-rights", db.Name, Warn, fmt.Sprintf("%s does not own database %s: a dump may lack what it cannot read", server.User, db.Name), "as an administrator of the server: "+strings.Join(db.Rights.Missing, "; "))
			}
		}
	}
}
