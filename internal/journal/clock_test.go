package journal

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// The host's clock is set while a journal is open, and before it is opened again: its records stay in order, and what passed
// between two of them is what really passed.
func TestTheHostsClockIsSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	wall := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	var last time.Time
	total := time.Duration(0)
	for _, jump := range []time.Duration{0, -5 * time.Hour, 3 * time.Hour, -56 * 365 * 24 * time.Hour} {
		wall = wall.Add(jump)
		j, replay, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(replay.Records); n > 0 {
			last = replay.Records[n-1].Time
		}
		passed := time.Duration(0)
		j.clock = clockFrom(wall, last, func() time.Duration { return passed })
		for range 3 {
			first, err := j.Append(Record{Type: Phase, Phase: promotion.Deploy})
			if err != nil {
				t.Fatal(err)
			}
			if first.Time.Before(last) {
				t.Errorf("after a jump of %s a record is of %s, the one before of %s", jump, first.Time, last)
			}
			passed += time.Minute
			second, err := j.Append(Record{Type: Phase, Phase: promotion.Verify})
			if err != nil {
				t.Fatal(err)
			}
			if took := second.Time.Sub(first.Time); took != time.Minute {
				t.Errorf("after a jump of %s a minute is %s long", jump, took)
			}
			last = second.Time
			total += time.Minute
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	replay, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(replay.Records, func(a, b Record) int { return a.Time.Compare(b.Time) }) {
		t.Error("the records are not in the order of their times")
	}
	if whole := last.Sub(replay.Records[0].Time); whole != total {
		t.Errorf("the whole took %s, not %s", whole, total)
	}
}

// A journal that is opened with the present clock dates by it.
func TestTimeOfARecord(t *testing.T) {
	before := time.Now().Add(-time.Second)
	j, _, err := Open(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r, err := j.Append(Record{Type: Begin})
	if err != nil {
		t.Fatal(err)
	}
	if r.Time.Before(before) || r.Time.After(time.Now().Add(time.Second)) {
		t.Errorf("dated %s", r.Time)
	}
}

// Promotions are ordered by when the target took them up, not by the clocks of those who named them.
func TestOrderOfPromotionsFromDifferentClocks(t *testing.T) {
	s := openStore(t)
	ids := []string{"20260304-120000-a", "20260304-070000-behind", "20260304-180000-ahead", "20260304-120001-b"}
	for _, id := range ids {
		promote(t, s, id, story()...)
	}
	if err := s.Remove("20260304-180000-ahead"); err != nil {
		t.Fatal(err)
	}
	promote(t, s, "20250101-000000-last", story()...)
	want := []string{"20250101-000000-last", "20260304-120001-b", "20260304-070000-behind", "20260304-120000-a"}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
