package journal

import (
	"slices"
	"testing"

	"github.com/org/promote-action/internal/promotion"
)

func TestStateOf(t *testing.T) {
	s := StateOf(story())
	if !s.Begun || !s.RollingBack || !s.Canceled || s.Phase != promotion.Rollback || s.Outcome != promotion.RollbackFailed || s.Unfinished() {
		t.Errorf("%+v", s)
	}
	for step, want := range map[string]StepState{
		"stop web": StepUndoFailed, "clone shop": StepDone, "start web": StepUndone, "never": StepPending,
	} {
		if got := s.Step(step); got != want {
			t.Errorf("%s: %s, want %s", step, got, want)
		}
	}
	if want := []string{"stop web", "clone shop", "start web"}; !slices.Equal(s.Order, want) {
		t.Errorf("order %q", s.Order)
	}
	if last := story()[len(story())-1].Time; !s.LastTime.Equal(last) {
		t.Errorf("last time %v", s.LastTime)
	}
}

func TestStateAfterEachRecord(t *testing.T) {
	for _, c := range []struct {
		n           int
		unfinished  bool
		rollingBack bool
		web         StepState
	}{
		{0, false, false, StepPending},
		{1, true, false, StepPending},
		{3, true, false, StepIntended},
		{4, true, false, StepDone},
		{9, true, false, StepDone},
		{11, true, true, StepDone},
		{14, true, true, StepUndoIntended},
		{17, false, true, StepUndoFailed},
	} {
		s := StateOf(story()[:c.n])
		if s.Unfinished() != c.unfinished || s.RollingBack != c.rollingBack || s.Step("stop web") != c.web {
			t.Errorf("after %d: %+v", c.n, s)
		}
	}
}

func TestALaterRollbackOpensThePromotionAgain(t *testing.T) {
	records := []Record{
		{Type: Begin},
		{Type: Phase, Phase: promotion.Deploy},
		{Type: Intent, Step: "a"},
		{Type: Done, Step: "a"},
		{Type: Cancel},
		{Type: Outcome, Outcome: promotion.Done},
		{Type: Begin},
	}
	s := StateOf(records)
	if !s.Unfinished() || s.Canceled || s.RollingBack || s.Phase != "" || s.Step("a") != StepDone {
		t.Errorf("%+v", s)
	}
	// A second begin without an outcome between them, as a restarted agent may write, forgets nothing.
	s = StateOf([]Record{{Type: Begin}, {Type: Phase, Phase: promotion.Rollback}, {Type: Cancel}, {Type: Begin}})
	if !s.RollingBack || !s.Canceled || s.Phase != promotion.Rollback {
		t.Errorf("%+v", s)
	}
}

func TestRecordsThatMeanNothingAreRefused(t *testing.T) {
	j, _, err := Open(t.TempDir() + "/journal")
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for _, r := range []Record{
		{},
		{Type: "else"},
		{Type: Intent},
		{Type: Phase},
		{Type: Outcome},
		{Type: Note, Outcome: promotion.Done},
		{Type: Note, Data: []byte("{")},
	} {
		if _, err := j.Append(r); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
	if got, err := j.Append(Record{Type: Undone, Step: "a"}); err != nil || got.Seq != 1 || !got.Undo {
		t.Errorf("%+v, %v", got, err)
	}
}
