package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

func openStore(t *testing.T) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// promote leaves a promotion with these records, or without a journal when there are none.
func promote(t *testing.T, s *Store, id string, records ...Record) Folder {
	t.Helper()
	f, err := s.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.WritePlan([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if len(records) > 0 {
		write(t, f.Journal(), records)
	}
	return f
}

func TestLayout(t *testing.T) {
	s := openStore(t)
	f := promote(t, s, "20260131-235959-17", story()...)
	if err := f.WriteResult([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := s.Hold("r1", Hold{Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	l, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var files []string
	err = filepath.WalkDir(s.Dir(), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, want %v", path, info.Mode().Perm(), want)
		}
		rel, err := filepath.Rel(s.Dir(), path)
		files = append(files, rel)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		".", "format", "holds.json", "lock", "promotions", "promotions/20260131-235959-17", "promotions/20260131-235959-17/journal",
		"promotions/20260131-235959-17/number", "promotions/20260131-235959-17/plan.json", "promotions/20260131-235959-17/restore", "promotions/20260131-235959-17/result.json",
	}
	if !slices.Equal(files, want) {
		t.Errorf("got  %q\nwant %q", files, want)
	}
	again, err := OpenStore(s.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Folder(f.ID); err != nil {
		t.Fatal(err)
	}
}

func TestFormats(t *testing.T) {
	for text, want := range map[string]func(error) bool{
		"promote-state/1\n": func(err error) bool { return err == nil },
		"promote-state/2\n": func(err error) bool { return errors.Is(err, ErrNewer) },
		"":                  isError, "other\n": isError, "promote-state/0\n": isError,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "format"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenStore(dir)
		if !want(err) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func isError(err error) bool { return err != nil }

func TestListAndUnfinished(t *testing.T) {
	s := openStore(t)
	promote(t, s, "20260101-000000-a", story()...)
	promote(t, s, "20260102-000000-b")
	promote(t, s, "20260103-000000-c", story()[:9]...)
	damaged := promote(t, s, "20260104-000000-d", story()...)
	data, err := os.ReadFile(damaged.Journal())
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	if err := os.WriteFile(damaged.Journal(), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.Dir(), "promotions", "foreign"), 0o700); err != nil {
		t.Fatal(err)
	}
	ids := func(entries []Entry) string {
		var list []string
		for _, e := range entries {
			list = append(list, e.ID[len(e.ID)-1:])
		}
		return strings.Join(list, " ")
	}
	all, err := s.List()
	if err != nil || ids(all) != "d c b a" {
		t.Fatalf("%s, %v", ids(all), err)
	}
	if !errors.Is(all[0].Err, ErrDamaged) || all[1].Err != nil || all[2].State.Begun || all[3].State.Outcome != promotion.RollbackFailed {
		t.Errorf("%+v", all)
	}
	open, err := s.Unfinished()
	if err != nil || ids(open) != "d c" {
		t.Fatalf("%s, %v", ids(open), err)
	}
	if err := s.Remove("20260104-000000-d"); err != nil {
		t.Fatal(err)
	}
	if open, err = s.Unfinished(); err != nil || ids(open) != "c" {
		t.Fatalf("%s, %v", ids(open), err)
	}
}

func TestUnknownPromotions(t *testing.T) {
	s := openStore(t)
	for _, id := range []string{"", "..", "../../etc", "20260101-000000-a", "20260101-000000-/.."} {
		if _, err := s.Folder(id); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", id, err)
		}
		if err := s.Remove(id); !errors.Is(err, ErrUnknown) {
			t.Errorf("remove %q: %v", id, err)
		}
	}
	if _, err := s.Create("../x"); err == nil {
		t.Error("created outside")
	}
	promote(t, s, "20260101-000000-a")
	if _, err := s.Create("20260101-000000-a"); !errors.Is(err, os.ErrExist) {
		t.Errorf("created twice: %v", err)
	}
}

func TestHolds(t *testing.T) {
	s := openStore(t)
	want := Hold{Promotion: "20260101-000000-a", Since: time.Unix(1e9, 0).UTC(), Reason: "web never healthy"}
	if _, held, err := s.Held("r2"); held || err != nil {
		t.Fatal(held, err)
	}
	if err := s.Hold("r2", want); err != nil {
		t.Fatal(err)
	}
	if got, held, err := s.Held("r2"); got != want || !held || err != nil {
		t.Fatal(got, held, err)
	}
	if err := s.Hold("r2", Hold{Promotion: want.Promotion, Reason: "rolled back on request"}); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Held("r2"); got != want || err != nil {
		t.Errorf("the first reason gave way to a later one: %v, %v", got, err)
	}
	for range 2 {
		if err := s.Release("r2"); err != nil {
			t.Fatal(err)
		}
	}
	if _, held, err := s.Held("r2"); held || err != nil {
		t.Fatal(held, err)
	}
	if err := s.Hold("", want); err == nil {
		t.Error("a hold on nothing")
	}
	for _, text := range []string{"{", `{"schema":"promote.holds/2"}`} {
		if err := os.WriteFile(s.holdsPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Held("r2"); err == nil {
			t.Errorf("%s: taken for no holds", text)
		}
		if err := s.Hold("r3", want); err == nil {
			t.Errorf("%s: overwritten", text)
		}
	}
}

func TestLockAndWhatAKilledHolderLeft(t *testing.T) {
	s := openStore(t)
	f := promote(t, s, "20260101-000000-a", story()...)
	leftovers := []string{
		filepath.Join(s.Dir(), ".holds.json.tmp-1"), filepath.Join(f.Dir, ".plan.json.tmp-1"),
		filepath.Join(s.Dir(), "promotions", ".removing-20260101-000000-b", "plan.json"),
	}
	for _, path := range leftovers {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range leftovers {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if _, err := os.Stat(f.Plan()); err != nil {
		t.Error(err)
	}
	if _, err := s.Lock(); !errors.Is(err, ErrLocked) {
		t.Fatalf("second holder: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Lock(); err != nil {
		t.Fatal(err)
	}
	l.Close()
}
