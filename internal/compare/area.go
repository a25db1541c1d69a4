package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// areaFindings is what one area found: its findings, its objectives, and what it could not read.
//
// An objective's Status is left empty where it was measured in full: the score takes the worst severity of its findings.
// It is promotion.Skip with a reason in Why where it does not apply, and promotion.Error with a reason in Why where
// something that it needs could not be read; a key objective that a finding fails all the same has failed, since more
// could not win it back.
type areaFindings struct {
	findings   []Finding
	objectives []Objective
	missing    []string // what could not be read, with the reason
}

// area begins one with all its objectives, measured in full.
func area(a Area) *areaFindings {
	out := &areaFindings{}
	for _, o := range Objectives() {
		if o.Area == a {
			out.objectives = append(out.objectives, o)
		}
	}
	return out
}

// add takes a finding about a subject: of an objective, in this area.
func (a *areaFindings) add(objective, kind, subject string, severity Severity, message, do string) *Finding {
	name, _, _ := strings.Cut(objective, ".")
	a.findings = append(a.findings, Finding{
		ID: name + "/" + kind + "/" + subject, Area: Area(name), Kind: kind, Subject: subject,
		Severity: severity, Objective: objective, Message: message, Do: do,
	})
	return &a.findings[len(a.findings)-1]
}

// miss notes what could not be read, and that objectives need it; none named are all of the area.
func (a *areaFindings) miss(why, do string, objectives ...string) {
	a.missing = append(a.missing, why)
	a.mark(promotion.Error, why, do, objectives)
}

// skip says why objectives do not apply; none named are all of the area.
func (a *areaFindings) skip(why string, objectives ...string) {
	a.mark(promotion.Skip, why, "", objectives)
}

// mark sets a status where none is set yet, so that the first reason stands.
func (a *areaFindings) mark(status promotion.Status, why, do string, objectives []string) {
	for i := range a.objectives {
		o := &a.objectives[i]
		if o.Status == "" && (len(objectives) == 0 || slices.Contains(objectives, o.ID)) {
			o.Status, o.Why, o.Do = status, why, do
		}
	}
}

// absent is why a side has no snapshot.
func absent(environment, why string) string {
	if why == "" {
		why = "it was not read"
	}
	return fmt.Sprintf("%s could not be read: %s", environment, why)
}

// sides are both snapshots, the source's first.
func (in Input) sides() [2]*snapshot.Snapshot { return [2]*snapshot.Snapshot{in.From, in.To} }
