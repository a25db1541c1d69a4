package promote

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// Account tells a promotion from its plan and its journal. It is the same whoever asks, and whenever.
func Account(id string, p plan.Plan, records []journal.Record, proof promotion.Proof) promotion.Result {
	res := promotion.Result{
		Schema: "promote.result/1", ID: id, From: p.From, To: p.To, Project: p.Project, Release: p.Release.ID, Commit: p.Release.Commit,
		Class: string(p.Class), EstDowntime: p.Estimate.Downtime, EstBasis: p.Estimate.Basis, Warnings: p.Warnings, Outcome: promotion.Running,
	}
	a := accountant{res: &res, plan: p, phases: map[promotion.Phase]*promotion.PhaseResult{}}
	for _, r := range records {
		a.take(r)
	}
	a.close()
	for _, phase := range append(append([]promotion.Phase(nil), promotion.Forward...), promotion.Rollback) {
		if ph, ok := a.phases[phase]; ok {
			res.Phases = append(res.Phases, *ph)
		} else if phase != promotion.Rollback && !a.asked && p.Has(phase) {
			res.Phases = append(res.Phases, promotion.PhaseResult{Phase: phase, Status: promotion.Skip, Reason: a.skipReason()})
		}
	}
	if len(proof.Items) > 0 {
		proof.Holds()
		res.Proof = &proof
	}
	if !a.stopped.IsZero() && a.healthy.After(a.stopped) {
		res.Downtime = promotion.Milliseconds(a.healthy.Sub(a.stopped))
	}
	return res
}

// Checks are the results of a phase's checks, as the journal holds them.
func Checks(records []journal.Record, phase promotion.Phase) []promotion.Check {
	var checks []promotion.Check
	for _, r := range records {
		if r.Type != journal.Note || r.Message != checkNote || r.Phase != phase {
			continue
		}
		var c promotion.Check
		if json.Unmarshal(r.Data, &c) == nil {
			checks = append(checks, c)
		}
	}
	return checks
}

type accountant struct {
	res              *promotion.Result
	plan             plan.Plan
	phases           map[promotion.Phase]*promotion.PhaseResult
	stopped, healthy time.Time
	asked            bool // a rollback that was asked for after the end
}

const underWay = "under way"

// close ends the phases that nobody ended, once all is over.
func (a *accountant) close() {
	if a.res.Outcome == promotion.Running {
		return
	}
	for _, ph := range a.phases {
		if ph.Reason == underWay {
			ph.Status, ph.Reason = promotion.Fail, "interrupted"
		}
	}
}

func (a *accountant) skipReason() string {
	if a.res.Outcome == promotion.Running {
		return "not run yet"
	}
	return "not reached"
}

func (a *accountant) phase(p promotion.Phase, at time.Time) *promotion.PhaseResult {
	ph, ok := a.phases[p]
	if !ok {
		ph = &promotion.PhaseResult{Phase: p, Status: promotion.Skip, Reason: underWay, Started: at}
		a.phases[p] = ph
	}
	return ph
}

func (a *accountant) take(r journal.Record) {
	if a.res.Started.IsZero() {
		a.res.Started = r.Time
	}
	a.res.Ended = r.Time
	switch r.Type {
	case journal.Begin:
		if a.res.Outcome != promotion.Running {
			a.reopen(r)
		}
		var begun Begun
		if json.Unmarshal(r.Data, &begun) == nil && begun.By != "" {
			a.res.By = begun.By
		}
	case journal.Phase:
		if ph := a.phase(r.Phase, r.Time); ph.Status == promotion.Fail && r.Phase == promotion.Rollback {
			ph.Status, ph.Reason = promotion.Skip, underWay // taken up again
		}
	case journal.Done, journal.Failed, journal.Undone, journal.UndoFailed:
		a.step(r)
	case journal.Intent:
		if r.Step == "stop-services" && a.stopped.IsZero() {
			a.stopped = r.Time
		}
	case journal.Note:
		if r.Message == checkNote {
			var c promotion.Check
			if json.Unmarshal(r.Data, &c) == nil {
				a.res.Checks = append(a.res.Checks, c)
			}
			return
		}
		var level string
		if json.Unmarshal(r.Data, &level) == nil && (level == "warning" || level == "error") {
			a.res.Warnings = append(a.res.Warnings, r.Message)
		}
	case journal.Outcome:
		a.res.Outcome, a.res.Reason = r.Outcome, r.Message
	}
}

// reopen begins the account of a rollback that was asked for after the end.
func (a *accountant) reopen(r journal.Record) {
	a.asked = true
	a.res.Outcome, a.res.Reason, a.res.Started, a.res.Checks, a.res.Failure, a.res.Rollback = promotion.Running, "", r.Time, nil, nil, nil
	a.phases = map[promotion.Phase]*promotion.PhaseResult{}
	a.stopped, a.healthy, a.res.EstDowntime, a.res.EstBasis = r.Time, time.Time{}, 0, ""
}

func (a *accountant) step(r journal.Record) {
	ph := a.phase(r.Phase, r.Time)
	ph.Took = promotion.Milliseconds(r.Time.Sub(ph.Started))
	var failed failedData
	_ = json.Unmarshal(r.Data, &failed)
	if f := a.res.Failure; r.Type == journal.Done && f != nil && f.Step == r.Step {
		a.res.Failure = nil // done at a later call
	}
	switch {
	case r.Type == journal.Failed && r.Phase == promotion.Rollback:
		ph.Status, ph.Reason = promotion.Fail, r.Message
		a.res.Rollback = strings.Split(r.Message, "\n") // instead of every single try
	case r.Type == journal.Failed:
		ph.Status, ph.Reason = promotion.Fail, r.Message
		if a.res.Failure == nil {
			f := failed.Failure
			a.res.Failure = &f
		}
	case r.Type == journal.UndoFailed:
		ph.Status, ph.Reason = promotion.Fail, r.Message
		a.res.Rollback = append(a.res.Rollback, r.Step+": "+r.Message)
	case r.Step == PhaseMark(r.Phase):
		ph.Status, ph.Reason = promotion.Pass, ""
		if r.Phase == promotion.Rollback {
			a.res.Rollback = nil // what failed at first has gone well since
		}
		if failed.Took > 0 {
			ph.Took = failed.Took
		}
	case r.Step == "verify-services" || (r.Type == journal.Undone && r.Step == "stop-services"):
		a.healthy = r.Time
	}
	if strings.HasPrefix(r.Step, "phase ") {
		return
	}
	result := promotion.StepResult{Name: r.Step, Status: promotion.Pass, Took: failed.Took}
	if r.Type == journal.Failed || r.Type == journal.UndoFailed {
		result.Status, result.Message = promotion.Fail, r.Message
	}
	for _, item := range a.plan.Steps {
		if item.Name != r.Step {
			continue
		}
		result.Description, result.Estimate, result.Basis = item.Step.Describe(), promotion.Milliseconds(item.Estimate), item.Basis
		if d, ok := item.Step.(*step.DumpDatabase); ok && r.Type == journal.Done {
			a.plan = a.plan.Dumped(d, failed.Took.Time())
			a.res.EstDowntime = a.plan.Estimate.Downtime
		}
		if r.Phase == promotion.Rollback {
			result.Description, result.Estimate, result.Basis = step.DescribeUndo(item.Step), 0, ""
			if result.Description == "" {
				return
			}
		}
	}
	if at := slices.IndexFunc(ph.Steps, func(s promotion.StepResult) bool { return s.Name == r.Step }); at >= 0 {
		ph.Steps = slices.Delete(ph.Steps, at, at+1) // it was tried before
	}
	ph.Steps = append(ph.Steps, result)
}

// Begun is what the begin record of a promotion holds.
type Begun struct {
	By     string            `json:"by"`
	Phases []promotion.Phase `json:"phases,omitempty"`
}
