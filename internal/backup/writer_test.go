package backup

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/org/promote-action/internal/durable"
)

func TestWriteAndRead(t *testing.T) {
	parent := t.TempDir()
	sealed := makeBackup(t, parent, "staging", taken)
	if got := names(t, parent); len(got) != 1 || got[0] != "staging-backup-20260131-235959" {
		t.Fatalf("%q", got)
	}
	b, err := Open(sealed.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*Backup{sealed, b} {
		if err := b.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := sameContents(b); err != nil {
			t.Fatal(err)
		}
	}
	if f, ok := b.Manifest.File("configuration/staging.env"); !ok || f.Kind != KindConfiguration || f.Mode != 0o644 || f.Size != int64(len(secret)) {
		t.Errorf("%+v", f)
	}
	err = filepath.WalkDir(b.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if want := map[bool]os.FileMode{true: 0o700, false: 0o600}[d.IsDir()]; err == nil && info.Mode().Perm() != want {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.OpenFile("nothing"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// Who reads a file without verifying the backup first learns at its end that it is not what it was.
func TestReadingAnAlteredFile(t *testing.T) {
	for _, change := range []func(string) error{cutDump, alterDump, growDump} {
		b := makeBackup(t, t.TempDir(), "staging", taken)
		if err := change(b.Dir); err != nil {
			t.Fatal(err)
		}
		var damage *Damage
		if err := sameContents(b); !errors.As(err, &damage) || damage.File != "databases/main.dump.zst" {
			t.Errorf("%v", err)
		}
		if err := b.Send(t.Context(), io.Discard, "x"); !errors.As(err, &damage) {
			t.Errorf("sent: %v", err)
		}
	}
}

func TestOfAnotherEnvironment(t *testing.T) {
	b := makeBackup(t, t.TempDir(), "staging", taken)
	for _, c := range []struct {
		environment, project string
		ok                   bool
	}{{"staging", "shop-staging", true}, {"staging", "", true}, {"production", "", false}, {"staging", "other", false}} {
		if err := b.For(c.environment, c.project); (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrOtherEnvironment) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestPathsThatAreRefused(t *testing.T) {
	w, err := Create(filepath.Join(t.TempDir(), "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Abort() }()
	for _, path := range []string{"", ".", "..", "../x", "/etc/passwd", "a/../../x", "a//b", "a/", `a\b`, "a\nb", "a\xff", manifestName, checksumName, originalName} {
		if _, err := w.Add(path, KindRecord); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
	if _, err := w.Add("a", "other"); err == nil {
		t.Error("an unknown kind was accepted")
	}
}

func TestSealRefusesWhatIsNotWhole(t *testing.T) {
	for name, spoil := range map[string]func(w *Writer, m *Manifest) error{
		"a file not closed": func(w *Writer, _ *Manifest) error {
			_, err := w.Add("open", KindRecord)
			return err
		},
		"a dump that is not there": func(_ *Writer, m *Manifest) error {
			m.Databases = []Database{{Name: "shop", File: "dump"}}
			return nil
		},
		"no environment": func(_ *Writer, m *Manifest) error {
			m.Environment = ""
			return nil
		},
		"a file that could not be written": func(w *Writer, _ *Manifest) error {
			f, err := w.Add("file", KindRecord)
			if err != nil {
				return err
			}
			if err := f.(*fileWriter).f.Close(); err != nil {
				return err
			}
			if _, err := f.Write([]byte("x")); err == nil {
				return errors.New("written to a closed file")
			}
			if err := f.Close(); err == nil {
				return errors.New("no error from Close")
			}
			return nil
		},
		"a name that is taken": func(w *Writer, _ *Manifest) error { return os.Mkdir(w.dir, 0o700) },
	} {
		parent := t.TempDir()
		w, err := Create(filepath.Join(parent, "b"))
		if err != nil {
			t.Fatal(err)
		}
		m := Manifest{ID: "1", Environment: "staging", TakenAt: taken}
		if err := spoil(w, &m); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Seal(m); err == nil {
			t.Errorf("%s: sealed", name)
		}
		for range 2 {
			if err := w.Abort(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if left := names(t, parent); len(left) > 0 && name != "a name that is taken" {
			t.Errorf("%s: left %q", name, left)
		}
	}
}

func TestAbortLeavesASealedBackup(t *testing.T) {
	b := makeBackup(t, t.TempDir(), "staging", taken) // aborts after sealing
	if err := b.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(b.Dir); !errors.Is(err, os.ErrExist) {
		t.Fatalf("a second one of that name: %v", err)
	}
}

func TestOneWriterAndItsLeftovers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	first, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); !errors.Is(err, ErrBusy) {
		t.Fatalf("second writer: %v", err)
	}
	if _, err := Open(first.partial()); !errors.Is(err, ErrNotBackup) {
		t.Fatalf("opened while it was written: %v", err)
	}
	// A killed writer leaves its folder and no lock.
	if _, err := first.Add("half", KindRecord); err != nil {
		t.Fatal(err)
	}
	if err := first.lock.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if left := names(t, second.partial()); len(left) != 0 {
		t.Errorf("left of the first: %q", left)
	}
	if l, err := durable.TryLockDir(second.partial()); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("not locked: %v, %v", l, err)
	}
	if err := second.Abort(); err != nil {
		t.Fatal(err)
	}
}
