package agent

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/fault"
	"github.com/org/promote-action/internal/journal"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

var freeze = flag.Bool("freeze", false, "write the state volume of the present layout to testdata, where there is none yet")

// frozen is the folder of a state volume as that version of the layout was written by the program of its time. It is never
// written again: a change of the layout gets a number and a folder of its own.
func frozen(version string) string { return filepath.Join("testdata", "state", version) }

// The ids of the promotions of a frozen state volume, the last one first.
const (
	idUnfinished = "20260303-030303-c"
	idFailed     = "20260302-020202-b"
	idDone       = "20260301-010101-a"
)

func TestFreeze(t *testing.T) {
	dir := frozen("1")
	if !*freeze {
		if _, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	if _, err := os.Stat(dir); err == nil {
		t.Fatalf("%s is there already: it is not written again", dir)
	}
	s, err := journal.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	world := fault.NewWorld(fault.Shape{Databases: 2, Job: true, Volume: true, Checkout: true})
	p, err := world.Plan()
	if err != nil {
		t.Fatal(err)
	}
	server := Server{options: Options{Project: "shop"}, store: s, passed: newStopwatch()}
	at := time.Date(2026, 3, 1, 1, 1, 1, 0, time.UTC)
	for i, id := range []string{idDone, idFailed, idUnfinished} {
		r, err := server.create(Begin{ID: id, By: "somebody@here", Plan: p, Spec: Spec{Environment: "staging", Project: "shop"}, Model: []byte("services: {}\n")})
		if err != nil {
			t.Fatal(err)
		}
		records := []journal.Record{
			{Type: journal.Phase, Phase: promotion.Shutdown},
			{Type: journal.Intent, Phase: promotion.Shutdown, Step: "stop-services"},
		}
		switch i {
		case 0:
			records = append(records, journal.Record{Type: journal.Done, Phase: promotion.Shutdown, Step: "stop-services"}, journal.Record{Type: journal.Outcome, Outcome: promotion.Done})
		case 1:
			records = append(records, journal.Record{Type: journal.UndoFailed, Phase: promotion.Rollback, Step: "stop-services", Message: "no image"},
				journal.Record{Type: journal.Outcome, Outcome: promotion.RollbackFailed, Message: "web never healthy"})
		}
		for n, rec := range records {
			rec.Time = time.Now().Add(time.Duration(n+1) * time.Minute)
			if _, err := r.journal.Append(rec); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 {
			r.bus.emit(promotion.Event{Type: promotion.Ended, Outcome: promotion.Done})
			if err := r.folder.WriteResult([]byte(`{"schema":"promote.result/1","id":"` + id + `","outcome":"done"}`)); err != nil {
				t.Fatal(err)
			}
		}
		r.close()
	}
	if err := s.Hold(p.Release.ID, journal.Hold{Promotion: idFailed, Since: at, Reason: "web never healthy"}); err != nil {
		t.Fatal(err)
	}
}

// Every layout that was ever written stays readable, and goes on from where it stands.
func TestReadsEveryState(t *testing.T) {
	versions, err := os.ReadDir(filepath.Join("testdata", "state"))
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != journal.StoreVersion {
		t.Errorf("%d layouts are frozen, the present one has number %d: go test ./internal/agent -run TestFreeze -freeze", len(versions), journal.StoreVersion)
	}
	for _, v := range versions {
		t.Run(v.Name(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.CopyFS(dir, os.DirFS(frozen(v.Name()))); err != nil {
				t.Fatal(err)
			}
			s, err := journal.OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			server := Server{options: Options{Project: "shop"}, store: s, passed: newStopwatch()}
			h, err := server.entries()
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]promotion.Outcome{idDone: promotion.Done, idFailed: promotion.RollbackFailed, idUnfinished: promotion.Running}
			if len(h.Entries) != len(want) || h.Entries[0].ID != idUnfinished || len(h.Holds) != 1 {
				t.Fatalf("%+v", h)
			}
			for _, e := range h.Entries {
				if e.Error != "" || e.Outcome != want[e.ID] || e.By != "somebody@here" || e.From != "development" || e.Release == "" || e.Took == 0 {
					t.Errorf("%+v", e)
				}
				if touched := e.ID != idDone; touched != (len(e.Left) > 0) {
					t.Errorf("%s: left to do: %q", e.ID, e.Left)
				}
			}
			r, err := server.load(idUnfinished)
			if err != nil {
				t.Fatal(err)
			}
			defer r.close()
			if !r.runner.Begun() || len(r.plan.Steps) == 0 || r.spec.Project != "shop" || r.by != "somebody@here" {
				t.Errorf("cannot be taken up: %+v", r)
			}
			if _, err := r.journal.Append(journal.Record{Type: journal.Cancel}); err != nil {
				t.Error(err)
			}
			if id, unreadable, err := server.stuck(); id != idUnfinished || unreadable != nil && !strings.Contains(unreadable.Error(), "locked") || err != nil {
				t.Errorf("%s, %v, %v", id, unreadable, err)
			}
		})
	}
}

// What of a promotion cannot be read does not keep the rest from being told.
func TestHistoryOfWhatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		damage  func(t *testing.T, dir string)
		outcome promotion.Outcome
		says    string
		took    bool
	}{
		"a damaged journal, with its account": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, "journal")) }, promotion.Done, "damaged", false},
		"a damaged journal without one": {func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, "journal"))
			must(t, os.Remove(filepath.Join(dir, "result.json")))
		}, promotion.Unknown, "damaged", false},
		"a journal of a newer version": {func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "journal"), []byte("promote-journal/2\n"), 0o600))
			must(t, os.Remove(filepath.Join(dir, "result.json")))
		}, promotion.Unknown, "newer version", false},
		"nothing wrong": {func(*testing.T, string) {}, promotion.Done, "", true},
		"no plan":       {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "plan.json"))) }, promotion.Done, "plan.json", true},
		"a plan that is none": {func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "plan.json"), []byte("{"), 0o600))
		}, promotion.Done, "plan of promotion", true},
		"a step of a newer version": {func(t *testing.T, dir string) {
			data, err := os.ReadFile(filepath.Join(dir, "plan.json"))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "plan.json"), bytes.ReplaceAll(data, []byte(`"stop-services"`), []byte(`"freeze-services"`)), 0o600))
		}, promotion.Done, "newer version", true},
		"no journal": {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "journal"))) }, promotion.Refused, "", false},
		"nothing":    {func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)); must(t, os.Mkdir(dir, 0o700)) }, promotion.Unknown, "no such file", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			if err := os.CopyFS(dir, os.DirFS(frozen("1"))); err != nil {
				t.Fatal(err)
			}
			must(t, os.WriteFile(filepath.Join(dir, "promotions", idDone, "restore", step.RecordFile), []byte("{}"), 0o600)) // it could be rolled back
			c.damage(t, filepath.Join(dir, "promotions", idDone))
			must(t, os.Mkdir(filepath.Join(dir, "promotions", "somebody's notes"), 0o700))
			s, err := journal.OpenStore(dir)
			if err != nil {
				t.Fatal(err)
			}
			server := Server{options: Options{Project: "shop"}, store: s, passed: newStopwatch()}
			h, err := server.entries()
			if err != nil {
				t.Fatal(err)
			}
			if len(h.Entries) != 3 {
				t.Fatalf("%d entries", len(h.Entries))
			}
			for _, e := range h.Entries {
				switch {
				case e.ID != idDone && e.Error != "":
					t.Errorf("another one: %+v", e)
				case e.ID != idDone:
				case e.Outcome != c.outcome || !strings.Contains(e.Error, c.says) || (c.says == "") != (e.Error == "") || (e.Took > 0) != c.took || e.Restorable != (name == "nothing wrong"):
					t.Errorf("%+v", e)
				case e.Started.IsZero() && c.outcome == promotion.Unknown:
					t.Error("its id says when it began")
				}
			}
		})
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	data[len(data)/2] ^= 1
	must(t, os.WriteFile(path, data, 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
