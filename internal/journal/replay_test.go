package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// story is a promotion that fails in deploy and goes back.
func story() []Record {
	at := time.Date(2026, 1, 31, 23, 59, 0, 0, time.UTC)
	records := []Record{
		{Type: Begin, Message: "development to staging", Data: json.RawMessage(`{"release":"r2"}`)},
		{Type: Phase, Phase: promotion.Shutdown},
		{Type: Intent, Phase: promotion.Shutdown, Step: "stop web", Attempt: 1},
		{Type: Done, Phase: promotion.Shutdown, Step: "stop web", Attempt: 1},
		{Type: Intent, Phase: promotion.Shutdown, Step: "clone shop", Attempt: 1},
		{Type: Done, Phase: promotion.Shutdown, Step: "clone shop", Attempt: 1, Data: json.RawMessage(`{"clone":"shop_20260131"}`)},
		{Type: Phase, Phase: promotion.Deploy},
		{Type: Intent, Phase: promotion.Deploy, Step: "start web", Attempt: 1},
		{Type: Failed, Phase: promotion.Deploy, Step: "start web", Attempt: 1, Message: "exited (1)\nwith \"quotes\" <and> ünïcode"},
		{Type: Cancel, Message: "asked"},
		{Type: Phase, Phase: promotion.Rollback},
		{Type: UndoIntent, Phase: promotion.Rollback, Step: "start web", Undo: true},
		{Type: Undone, Phase: promotion.Rollback, Step: "start web", Undo: true},
		{Type: UndoIntent, Phase: promotion.Rollback, Step: "stop web", Undo: true},
		{Type: UndoFailed, Phase: promotion.Rollback, Step: "stop web", Undo: true, Message: "no such image"},
		{Type: Note, Message: "web needs a person"},
		{Type: Outcome, Outcome: promotion.RollbackFailed},
	}
	for i := range records {
		records[i].Seq = int64(i) + 1
		records[i].Time = at.Add(time.Duration(i) * 1234567890)
	}
	return records
}

func write(t testing.TB, path string, records []Record) []byte {
	t.Helper()
	j, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		got, err := j.Append(r)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("appended %+v, got %+v", r, got)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestWhatIsAppendedComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	write(t, path, story())
	j, replay, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if !reflect.DeepEqual(replay.Records, story()) || replay.Torn != 0 || replay.Version != Version {
		t.Fatalf("%+v", replay)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	next, err := j.Append(Record{Type: Note})
	if err != nil || next.Seq != int64(len(story()))+1 || next.Time.IsZero() {
		t.Fatalf("%+v, %v", next, err)
	}
}

// A cut at any byte loses at most the record that was cut, and the journal goes on from there.
func TestCutAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	data := write(t, filepath.Join(dir, "whole"), story())
	path := filepath.Join(dir, "cut")
	for n := range len(data) + 1 {
		if err := os.WriteFile(path, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		whole := max(0, bytes.Count(data[:n], []byte("\n"))-1)
		torn := int64(n - (bytes.LastIndexByte(data[:n], '\n') + 1))
		read, err := Read(path)
		if err != nil || len(read.Records) != whole || read.Torn != torn {
			t.Fatalf("cut at %d: read %d records, torn %d, %v; want %d, %d", n, len(read.Records), read.Torn, err, whole, torn)
		}
		j, replay, err := Open(path)
		if err != nil || len(replay.Records) != whole || replay.Torn != torn {
			t.Fatalf("cut at %d: %d records, torn %d, %v; want %d, %d", n, len(replay.Records), replay.Torn, err, whole, torn)
		}
		if n%7 == 0 {
			if _, err := j.Append(Record{Type: Note, Message: "on"}); err != nil {
				t.Fatalf("cut at %d: append: %v", n, err)
			}
			whole++
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := Read(path); err != nil || len(again.Records) != whole || again.Torn != 0 {
			t.Fatalf("cut at %d: opened again: %d records, torn %d, %v", n, len(again.Records), again.Torn, err)
		}
	}
}

// No changed bit of an acknowledged record goes unnoticed, and none is taken for a cut.
func TestFlipEveryBit(t *testing.T) {
	data := write(t, filepath.Join(t.TempDir(), "journal"), story())
	for i := range data {
		for bit := range 8 {
			bad := bytes.Clone(data)
			bad[i] ^= 1 << bit
			_, err := parse(bad)
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatalf("byte %d bit %d (%q to %q): %v", i, bit, data[i], bad[i], err)
			}
			want := 1 + bytes.Count(data[:i], []byte("\n"))
			var damage *Damage
			if errors.As(err, &damage) && damage.Line != want {
				t.Fatalf("byte %d bit %d: damage said in line %d, is in %d", i, bit, damage.Line, want)
			}
		}
	}
}

func TestRecordsMissingRepeatedOrForeign(t *testing.T) {
	dir := t.TempDir()
	lines := bytes.SplitAfter(write(t, filepath.Join(dir, "a"), story()), []byte("\n"))
	other := story()
	other[0].Message = "another promotion"
	foreign := bytes.SplitAfter(write(t, filepath.Join(dir, "b"), other), []byte("\n"))
	for name, changed := range map[string][][]byte{
		"missing":  append(append([][]byte{}, lines[:3]...), lines[4:]...),
		"repeated": append(append([][]byte{}, lines[:4]...), lines[3:]...),
		"swapped":  {lines[0], lines[2], lines[1], lines[3]},
		"foreign":  append(append([][]byte{}, lines[:4]...), foreign[4:]...),
		"empty":    append(append([][]byte{}, lines[:4]...), []byte("\n")),
	} {
		if _, err := parse(bytes.Join(changed, nil)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A crash can leave a file that has grown and whose blocks were never written.
func TestZerosWhereBlocksWereNotWritten(t *testing.T) {
	dir := t.TempDir()
	records := story()
	before := write(t, filepath.Join(dir, "before"), records)
	last := Record{Seq: int64(len(records)) + 1, Time: time.Unix(1, 0).UTC(), Type: Note, Message: strings.Repeat("long ", 700)}
	whole := write(t, filepath.Join(dir, "whole"), append(records, last))
	good := len(before)
	sector := (good/512 + 1) * 512
	zero := func(from, to int) []byte {
		data := bytes.Clone(whole)
		clear(data[from:to])
		return data
	}
	for name, c := range map[string]struct {
		data []byte
		torn bool
	}{
		"first block":      {zero(good, sector), true},
		"one in the midst": {zero(sector+512, sector+1024), true},
		"the end":          {zero(sector, len(whole)), true},
		"all of it":        {zero(good, len(whole)), true},
		"no block":         {zero(sector+10, sector+20), false},
		"an older record":  {zero(good-100, good), false},
		"not the last":     {append(zero(good, sector), "18 and more\n"...), false},
	} {
		p, err := parse(c.data)
		switch {
		case c.torn && (err != nil || p.good != int64(good)):
			t.Errorf("%s: good to %d of %d, %v", name, p.good, good, err)
		case !c.torn && !errors.Is(err, ErrDamaged):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every version that was ever written stays readable. A new version adds a file and leaves the others as they are.
func TestReadsEveryVersion(t *testing.T) {
	for v := 1; v <= Version; v++ {
		replay, err := Read(fmt.Sprintf("testdata/v%d.journal", v))
		if err != nil {
			t.Fatal(err)
		}
		if replay.Version != v || !reflect.DeepEqual(replay.Records, story()) {
			t.Errorf("version %d: %+v", v, replay)
		}
	}
	current := write(t, filepath.Join(t.TempDir(), "journal"), story())
	kept, err := os.ReadFile(fmt.Sprintf("testdata/v%d.journal", Version))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(current, kept) {
		t.Errorf("what is written now differs from testdata/v%d.journal: the format changed without a new version", Version)
	}
}

func TestNewerVersionsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	for _, header := range []string{"promote-journal/2\n", "promote-journal/10\nanything\n"} {
		if err := os.WriteFile(path, []byte(header), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(path); !errors.Is(err, ErrNewer) {
			t.Errorf("%q: %v", header, err)
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != header {
			t.Errorf("%q was changed: %q, %v", header, data, err)
		}
	}
	line, _, err := encode(Record{Seq: 1, Type: "paused"}, "promote-journal/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse([]byte(headerLine() + line)); !errors.Is(err, ErrNewer) {
		t.Errorf("unknown type: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	data := write(f, filepath.Join(f.TempDir(), "journal"), story())
	f.Add(data)
	f.Add(data[:len(data)-20])
	f.Add([]byte("promote-journal/1\n\n"))
	f.Add(make([]byte, 600))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data)
		if err != nil {
			return
		}
		// What is good must read the same when it stands alone, whatever followed it.
		again, err := parse(data[:p.good])
		if err != nil || again.good != p.good || !reflect.DeepEqual(again.records, p.records) {
			t.Fatalf("%v; %d and %d records, good to %d and %d", err, len(p.records), len(again.records), p.good, again.good)
		}
		for i, r := range p.records {
			if r.Seq != int64(i)+1 || r.check() != nil {
				t.Fatalf("record %d: %+v", i, r)
			}
		}
	})
}
