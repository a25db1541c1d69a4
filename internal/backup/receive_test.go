package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
)

func receiveEncrypted(t testing.TB, b *Backup, parent string, keys ...*age.X25519Identity) *Backup {
	t.Helper()
	var recipients []age.Recipient
	for _, k := range keys {
		recipients = append(recipients, k.Recipient())
	}
	return receiveFor(t, b, parent, recipients)
}

func receiveFor(t testing.TB, b *Backup, parent string, recipients []age.Recipient) *Backup {
	t.Helper()
	got, err := Receive(t.Context(), bytes.NewReader(stream(t, b, "backup")), parent, filepath.Base(b.Dir), Options{Recipients: recipients})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReceiveAndSend(t *testing.T) {
	b := makeBackup(t, t.TempDir(), "staging", taken)
	for _, root := range []string{"backup", "", "a/b"} {
		parent := filepath.Join(t.TempDir(), "new", "folder")
		var seen int64
		got, err := Receive(t.Context(), bytes.NewReader(stream(t, b, root)), parent, filepath.Base(b.Dir), Options{Progress: func(n int64) { seen = n }})
		if err != nil {
			t.Fatalf("root %q: %v", root, err)
		}
		if err := errors.Join(got.Verify(t.Context()), sameContents(got)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.raw, b.raw) || seen != b.Manifest.Size() {
			t.Errorf("manifest changed, or progress %d of %d", seen, b.Manifest.Size())
		}
	}
}

func TestEncrypted(t *testing.T) {
	plain := makeBackup(t, t.TempDir(), "staging", taken)
	one, two, stranger := newKey(t), newKey(t), newKey(t)
	sealed := receiveEncrypted(t, plain, t.TempDir(), one, two)
	if !sealed.Manifest.Encrypted || sealed.Manifest.Recipients != 2 || sealed.Manifest.Environment != "staging" {
		t.Fatalf("%+v", sealed.Manifest)
	}
	err := filepath.WalkDir(sealed.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, leak := range []string{"hunter2", "rows and rows", "guessable", plain.Manifest.Files[0].SHA256} {
			if bytes.Contains(data, []byte(leak)) {
				t.Errorf("%s: %q lies open", path, leak)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := sealed.Manifest.File("configuration/staging.env.age"); !ok || f.Kind != KindConfiguration || f.Mode != 0o644 {
		t.Errorf("%+v", f)
	}
	for _, key := range []age.Identity{one, two} {
		b, err := Open(sealed.Dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Verify(t.Context()); err != nil { // without a key
			t.Fatal(err)
		}
		if _, err := b.OpenFile("configuration/staging.env"); !errors.Is(err, ErrEncrypted) {
			t.Fatal(err)
		}
		for _, wrong := range [][]age.Identity{nil, {stranger}} {
			if err := b.Unlock(wrong...); !errors.Is(err, ErrEncrypted) || errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
		if err := b.Unlock(key); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(b.Verify(t.Context()), sameContents(b), b.For("staging", "shop-staging")); err != nil {
			t.Fatal(err)
		}
		if b.Manifest.Databases[0].Rows["public.settings"].Hash != "guessable" || !b.Encrypted() {
			t.Errorf("%+v", b.Manifest)
		}
		// What goes to the machine that restores is the backup before encryption.
		again, err := Receive(t.Context(), bytes.NewReader(stream(t, b, "x")), t.TempDir(), filepath.Base(b.Dir), Options{})
		if err != nil || again.Encrypted() || !bytes.Equal(again.raw, plain.raw) {
			t.Fatal(err)
		}
	}
	locked, err := Open(sealed.Dir)
	if err != nil {
		t.Fatal(err)
	}
	same, err := Receive(t.Context(), bytes.NewReader(stream(t, locked, "x")), t.TempDir(), filepath.Base(locked.Dir), Options{})
	if err != nil || !same.Encrypted() || !bytes.Equal(same.storedRaw, locked.storedRaw) {
		t.Fatalf("sent as it lies there: %v", err)
	}
	_, err = Receive(t.Context(), bytes.NewReader(stream(t, locked, "x")), t.TempDir(), filepath.Base(locked.Dir), Options{Recipients: []age.Recipient{one.Recipient()}})
	if !errors.Is(err, ErrEncrypted) {
		t.Fatalf("encrypted twice: %v", err)
	}
}

// Everything that lies open in an encrypted backup can be replaced by someone who has no key; the files inside say that it was.
func TestAnotherBackupsFilesUnderANewManifest(t *testing.T) {
	root := t.TempDir()
	key := newKey(t)
	a := receiveEncrypted(t, makeBackup(t, filepath.Join(root), "staging", taken), filepath.Join(root, "a"), key)
	b := receiveEncrypted(t, makeBackup(t, filepath.Join(root), "staging", taken.Add(time.Hour)), filepath.Join(root, "b"), key)
	name, other := "model/compose.json.age", "record/plan.json.age"
	data, err := os.ReadFile(filepath.Join(b.Dir, other))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.Dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	forge := func(change func(m *Manifest)) *Backup {
		m := *a.Manifest
		m.Files = slices.Clone(m.Files)
		for i, f := range m.Files {
			if f.Path == name {
				m.Files[i], _ = b.Manifest.File(other)
				m.Files[i].Path, m.Files[i].Kind = f.Path, f.Kind
			}
		}
		change(&m)
		raw, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		for path, content := range map[string][]byte{manifestName: raw, checksumName: checksumLine(raw)} {
			if err := os.WriteFile(filepath.Join(a.Dir, path), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		forged, err := Open(a.Dir)
		if err != nil {
			t.Fatal(err)
		}
		return forged
	}
	swapped := forge(func(*Manifest) {})
	if err := swapped.Verify(t.Context()); err != nil {
		t.Fatalf("without a key it looks right: %v", err)
	}
	if err := swapped.Unlock(key); err != nil {
		t.Fatal(err)
	}
	if err := swapped.Verify(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a swapped file: %v", err)
	}
	if err := forge(func(m *Manifest) { m.Environment = "production" }).Unlock(key); !errors.Is(err, ErrDamaged) {
		t.Errorf("a forged environment: %v", err)
	}
	if err := forge(func(m *Manifest) { m.Databases[0].Rows["public.settings"] = Rows{Count: 9, Method: "sum"} }).Unlock(key); !errors.Is(err, ErrDamaged) {
		t.Errorf("forged rows: %v", err)
	}
}

func TestNamesThatReceiveRefuses(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{"", "..", "../staging-backup-20260131-235959", "staging", "a/staging-backup-20260131-235959"} {
		if _, err := Receive(t.Context(), bytes.NewReader(nil), parent, name, Options{}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestCancelledReceive(t *testing.T) {
	data := stream(t, makeBackup(t, t.TempDir(), "staging", taken), "backup")
	parent := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Receive(ctx, bytes.NewReader(data), parent, backupName, Options{Progress: func(int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left := names(t, parent); len(left) != 0 {
		t.Fatalf("left %q", left)
	}
}

func TestLeftoversOfKilledPredecessors(t *testing.T) {
	b := makeBackup(t, t.TempDir(), "staging", taken)
	parent := t.TempDir()
	for _, name := range []string{"staging-backup-20250101-000000.partial", "other.partial", "staging-backup-20250101-000000", "notes"} {
		if err := os.MkdirAll(filepath.Join(parent, name, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	busy, err := Create(filepath.Join(parent, "staging-backup-20250202-000000"))
	if err != nil {
		t.Fatal(err)
	}
	receiveEncrypted(t, b, parent)
	want := []string{"notes", "other.partial", "staging-backup-20250101-000000", "staging-backup-20250202-000000.partial", backupName}
	if got := names(t, parent); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := busy.Abort(); err != nil {
		t.Fatal(err)
	}
}

// zeros is as long a file as wanted.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A big file passes through without being held: what the program holds does not grow with it.
func TestMemoryStaysFlat(t *testing.T) {
	const size = 96 << 20
	parent := t.TempDir()
	w, err := Create(filepath.Join(parent, "source"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.Add("big", KindDump)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(f, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := w.Seal(Manifest{ID: "big", Environment: "staging", TakenAt: taken})
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	var peak uint64
	look := func(int64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
	}
	n := 0
	pr, pw := io.Pipe()
	go func() { pw.CloseWithError(b.Send(t.Context(), pw, "x")) }()
	got, err := Receive(t.Context(), pr, parent, backupName, Options{Recipients: []age.Recipient{key.Recipient()}, Progress: func(b int64) {
		if n++; n%64 == 0 {
			look(b)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Unlock(key); err != nil {
		t.Fatal(err)
	}
	if err := got.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	look(0)
	if peak == 0 || peak > 32<<20 {
		t.Errorf("%d MB in use for a file of %d MB", peak>>20, size>>20)
	}
}
