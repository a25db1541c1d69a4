package promote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/fault"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

func workdir(t *testing.T) string {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "promote-test-"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// rig is a runner over a model of a target and a real journal.
type rig struct {
	*promote.Runner
	world   *fault.World
	journal *journal.Journal
	events  []promotion.Event
}

func newRig(t *testing.T, shape fault.Shape) *rig {
	t.Helper()
	r := &rig{world: fault.NewWorld(shape)}
	p, err := r.world.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if r.journal, _, err = journal.Open(filepath.Join(workdir(t), "journal")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.journal.Close() })
	r.Runner = &promote.Runner{
		ID: fault.ID, Plan: p, Target: r.world.Target(), Journal: r.journal, Retry: time.Microsecond, Emit: func(e promotion.Event) { r.events = append(r.events, e) },
	}
	if _, err := r.journal.Append(journal.Record{Type: journal.Begin}); err != nil {
		t.Fatal(err)
	}
	for _, item := range p.Of(promotion.Backup) {
		if item.Side == step.Driver {
			if err := r.Record(promotion.Backup, item.Name, nil, 0, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func (r *rig) account() promotion.Result {
	return promote.Account(fault.ID, r.Plan, r.journal.Records(), r.Proof())
}

var all = []promotion.Phase{promotion.Backup, promotion.Shutdown, promotion.Deploy, promotion.Verify}

var full = fault.Shape{Databases: 2, Job: true, Volume: true, Checkout: true}

func TestAPromotionThatGoesWell(t *testing.T) {
	r := newRig(t, full)
	outcome, err := r.Run(t.Context(), all)
	if outcome != promotion.Done || err != nil {
		t.Fatal(outcome, err)
	}
	a := r.account()
	if a.Outcome != promotion.Done || a.Failure != nil || a.Downtime < 0 {
		t.Errorf("%+v", a)
	}
	var order []string
	for _, e := range r.events {
		if e.Type == promotion.StepEnded && e.Phase.Mutates() {
			order = append(order, e.Step)
		}
	}
	want := []string{
		"stop-services", "close-database db/shop", "close-database db/billing", "fingerprint-database db/shop", "fingerprint-database db/billing",
		"copy-database db/shop", "copy-database db/billing", "copy-volume shop_uploads", "record-globals db", "move-checkout", "open-database db/shop", "open-database db/billing",
		"run-job migrate", "start-services", "verify-services", "verify-checks", "settle",
	}
	if !reflect.DeepEqual(order, want) {
		t.Errorf("order:\n%s", strings.Join(order, "\n"))
	}
	if err := r.Ready(promotion.Shutdown); err == nil {
		t.Error("a promotion that is over may run again")
	}
}

// Something fails at every single moment, before or after an operation had its effect, or someone asks to stop there: the
// target is as it was, proved, and told so.
func TestAFailureAtEveryMoment(t *testing.T) {
	dir := workdir(t)
	for _, shape := range []fault.Shape{full, {Load: true, Databases: 1, Job: true}} {
		plain := fault.Play(dir, fault.Case{Shape: shape})
		for at := 1; at <= plain.Moments[0]; at++ {
			for _, kind := range []fault.Kind{fault.FailBefore, fault.FailAfter, fault.Cancel} {
				r := fault.Play(dir, fault.Case{Shape: shape, Faults: [][]fault.Fault{{{At: at, Kind: kind}}}})
				if len(r.Violations) > 0 {
					t.Fatal(r.Report())
				}
			}
		}
	}
}

func TestEveryBrokenReleaseIsTakenBack(t *testing.T) {
	dir := workdir(t)
	for _, load := range []bool{false, true} {
		for _, broken := range fault.Breakages {
			shape := full
			shape.Load, shape.Broken = load, broken
			r := fault.Play(dir, fault.Case{Shape: shape})
			want := promotion.RolledBack
			if broken == fault.Fine {
				want = promotion.Done
			}
			if len(r.Violations) > 0 || r.Outcome != want {
				t.Errorf("outcome %s: %s", r.Outcome, r.Report())
			}
			if f := r.Account.Failure; broken != fault.Fine && (f == nil || f.Message == "" || f.Step == "") {
				t.Errorf("%s: no failure is told: %+v", broken, f)
			}
		}
	}
}

func TestCancelledBeforeAnythingIsTouched(t *testing.T) {
	r := newRig(t, full)
	if outcome, err := r.Run(t.Context(), all[:1]); outcome != promotion.Running || err != nil {
		t.Fatal(outcome, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("%w by somebody", promote.ErrCancelled))
	outcome, err := r.Run(ctx, all[1:])
	if outcome != promotion.Canceled || !errors.Is(err, promote.ErrCancelled) || r.Begun() {
		t.Fatal(outcome, err, r.Begun())
	}
	if a := r.account(); a.Outcome != promotion.Canceled || a.Reason == "" {
		t.Errorf("%+v", a)
	}
}

// slow is a stack that waits for its context.
type slow struct{ step.Stack }

func (s slow) WaitHealthy(ctx context.Context, _ []step.Want, _ func(string)) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestTheDeadlineRollsBack(t *testing.T) {
	r := newRig(t, full)
	r.Plan.Policy.Deadline = 150
	r.Target.Stack = slow{r.Target.Stack}
	outcome, err := r.Run(t.Context(), all)
	if outcome != promotion.RolledBack || err == nil || !strings.Contains(err.Error(), "not done within 150ms") {
		t.Fatal(outcome, err)
	}
}

// stuck is a stack that cannot discard for so many times.
type stuck struct {
	step.Stack
	times *int
}

func (s stuck) Discard(ctx context.Context, record []byte, services []string, on func(string)) error {
	if *s.times--; *s.times >= 0 {
		return errors.New("the engine does not answer")
	}
	return s.Stack.Discard(ctx, record, services, on)
}

func TestAnUndoIsTriedAgain(t *testing.T) {
	shape := full
	shape.Broken = fault.Unhealthy
	r := newRig(t, shape)
	times := 2
	r.Target.Stack = stuck{r.Target.Stack, &times}
	if outcome, err := r.Run(t.Context(), all); outcome != promotion.RolledBack {
		t.Fatal(outcome, err)
	}
	a := r.account()
	if len(a.Rollback) > 0 || a.Proof == nil || !a.Proof.Equal {
		t.Errorf("%v, %+v", a.Rollback, a.Proof)
	}
}

func TestWhatIsLeftWhenAnUndoFailsForGood(t *testing.T) {
	shape := full
	shape.Broken, shape.Databases = fault.Unhealthy, 1
	r := newRig(t, shape)
	times := 1 << 30
	r.Target.Stack = stuck{r.Target.Stack, &times}
	outcome, err := r.Run(t.Context(), all)
	if outcome != promotion.RollbackFailed || err == nil || !strings.Contains(err.Error(), "the engine does not answer") {
		t.Fatal(outcome, err)
	}
	want := []string{
		"stop and remove the containers of the new release",
		"stop and remove the container of the one-shot migrate",
		"close database shop",
		"move the checkout /srv/shop back to 111111111111",
		"put roles, memberships and parameters of db back",
		"put the content of volume shop_uploads back",
		"swap the clone in for database shop; the failed one stays as promote.failed." + fault.ID + ".shop",
		"prove that schema and rows of database shop are what they were",
		"open database shop again",
		"start the previous containers exactly as they were, and wait until they are healthy",
	}
	if got := r.Left(); !reflect.DeepEqual(got, want) {
		t.Errorf("left:\n%s", strings.Join(got, "\n"))
	}
	a := r.account()
	if a.Outcome != promotion.RollbackFailed || len(a.Rollback) != 1 || a.Failure == nil || a.Failure.Service != "api" {
		t.Errorf("%+v", a)
	}
	times = 0 // put right by hand, and asked for again
	if outcome, err := r.Back(t.Context(), "asked for", promote.RollbackOptions{}, true); outcome != promotion.Restored || err != nil {
		t.Fatal(outcome, err)
	}
	if left := r.Left(); len(left) > 0 {
		t.Errorf("left after all is undone: %q", left)
	}
}

// full is a journal that takes no record for so many times, once it has taken one of a kind.
type fullJournal struct {
	*journal.Journal
	from  journal.Type
	times int
	on    bool
}

func (f *fullJournal) Append(r journal.Record) (journal.Record, error) {
	f.on = f.on || r.Type == f.from
	if f.on && f.times > 0 {
		f.times--
		return journal.Record{}, fault.ErrNoSpace
	}
	return f.Journal.Append(r)
}

func TestARollbackWaitsForItsJournal(t *testing.T) {
	shape := full
	shape.Broken = fault.NoStart
	for _, from := range []journal.Type{journal.Failed, journal.UndoIntent, journal.Undone, journal.Outcome} {
		r := newRig(t, shape)
		r.Journal = &fullJournal{Journal: r.journal, from: from, times: 20}
		if outcome, err := r.Run(t.Context(), all); outcome != promotion.RolledBack {
			t.Errorf("%s: %s, %v", from, outcome, err)
		}
		if a := r.account(); a.Outcome != promotion.RolledBack || a.Proof == nil || !a.Proof.Equal {
			t.Errorf("%s: %+v", from, a)
		}
	}
}

func TestAJournalThatNeverComesBack(t *testing.T) {
	shape := full
	shape.Broken = fault.NoStart
	r := newRig(t, shape)
	r.Plan.Policy.Deadline = 50
	r.Journal = &fullJournal{Journal: r.journal, from: journal.Failed, times: 1 << 30}
	outcome, err := r.Run(t.Context(), all)
	if outcome != promotion.RollbackFailed || !errors.Is(err, fault.ErrNoSpace) {
		t.Fatal(outcome, err)
	}
	for _, rec := range r.journal.Records() {
		if rec.Undo {
			t.Errorf("undone without a record of the rollback: %+v", rec)
		}
	}
	r.Plan.Policy.Deadline, r.Journal = 60_000, r.journal // there is room again, and the agent starts again
	if outcome, err := r.Resume(t.Context(), all[1:]); outcome != promotion.RolledBack {
		t.Fatal(outcome, err)
	}
}

func TestAPhaseOnItsOwn(t *testing.T) {
	r := newRig(t, full)
	if err := r.Ready(promotion.Deploy); err == nil || !strings.Contains(err.Error(), "phase preflight") {
		t.Fatal(err)
	}
	for _, phase := range []promotion.Phase{promotion.Preflight, promotion.Test} {
		if err := r.Runner.Record(phase, "", nil, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, phase := range all {
		if err := r.Ready(phase); err != nil {
			t.Fatal(err)
		}
		want := promotion.Running
		if phase == promotion.Verify {
			want = promotion.Done
		}
		if outcome, err := r.Run(t.Context(), []promotion.Phase{phase}); outcome != want || err != nil {
			t.Fatal(phase, outcome, err)
		}
	}
}

// The account is the same from the records alone, at every moment.
func TestTheAccountAtEveryMoment(t *testing.T) {
	shape := full
	shape.Broken = fault.ChecksFail
	r := newRig(t, shape)
	if outcome, _ := r.Run(t.Context(), all); outcome != promotion.RolledBack {
		t.Fatal(outcome)
	}
	records := r.journal.Records()
	for n := range len(records) {
		a := promote.Account(fault.ID, r.Plan, records[:n], promotion.Proof{})
		if a.Outcome != promotion.Running {
			t.Fatalf("%d records: %s", n, a.Outcome)
		}
	}
	a := r.account()
	if a.Failure == nil || a.Failure.Step != "verify-checks" || a.Failure.Hint == "" || len(a.Checks) == 0 || a.Class != string(plan.Restore) {
		t.Errorf("%+v", a)
	}
	for _, ph := range a.Phases {
		if (ph.Phase == promotion.Verify) != (ph.Status == promotion.Fail) && ph.Phase != promotion.Preflight && ph.Phase != promotion.Test {
			t.Errorf("phase %+v", ph)
		}
	}
}

// forgetful is a restore point that cannot write the proof for so many times.
type forgetful struct {
	step.Point
	times int
}

func (f *forgetful) Write(name string, data []byte) error {
	if name == promote.ProofFile && f.times > 0 {
		f.times--
		return fault.ErrNoSpace
	}
	return f.Point.Write(name, data)
}

func TestAnUndoCountsWhenItsProofIsWritten(t *testing.T) {
	shape := full
	shape.Broken = fault.NoStart
	r := newRig(t, shape)
	point := &forgetful{r.Target.Point, 1}
	r.Target.Point = point
	if outcome, err := r.Run(t.Context(), all); outcome != promotion.RolledBack {
		t.Fatal(outcome, err)
	}
	tries := 0
	for _, rec := range r.journal.Records() {
		if rec.Type == journal.UndoFailed {
			tries++
		}
	}
	if tries != 1 {
		t.Errorf("%d undos failed, one could not write its proof", tries)
	}
}

// unwell is checks that the previous release does not pass.
type unwell struct {
	step.Checks
	sick bool
}

func (u *unwell) VerifyPrevious(ctx context.Context, on func(string)) ([]promotion.Check, error) {
	if u.sick {
		return []promotion.Check{{Category: "health", Name: "api health", Service: "api", Status: promotion.Fail, Message: "answers 500"}}, nil
	}
	return u.Checks.VerifyPrevious(ctx, on)
}

func TestThePreviousReleaseIsNotWellAtFirst(t *testing.T) {
	shape := full
	shape.Broken = fault.NoStart
	r := newRig(t, shape)
	checks := &unwell{r.Target.Checks, true}
	r.Target.Checks = checks
	if outcome, err := r.Run(t.Context(), all); outcome != promotion.RollbackFailed || !strings.Contains(err.Error(), "answers 500") {
		t.Fatal(outcome, err)
	}
	if left := r.Left(); len(left) != 1 || !strings.Contains(left[0], "answers 500") {
		t.Errorf("left: %q", left)
	}
	checks.sick = false
	if outcome, err := r.Back(t.Context(), "asked for", promote.RollbackOptions{}, true); outcome != promotion.Restored || err != nil {
		t.Fatal(outcome, err)
	}
	if outcome, err := r.Run(t.Context(), all); outcome != promotion.Restored || err != nil {
		t.Errorf("what is over runs again: %s, %v", outcome, err)
	}
}
