package backup

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

var taken = time.Date(2026, 1, 31, 23, 59, 59, 0, time.UTC)

const secret = "PASSWORD=hunter2\n"

// contents are the files of the sample backup.
var contents = map[string]string{
	"databases/main.dump.zst":    strings.Repeat("rows and rows\n", 9000),
	"databases/main.schema.sql":  "create table orders ();\n",
	"model/compose.json":         "{}",
	"configuration/staging.env":  secret,
	"configuration/nginx/a.conf": "server {}",
	"metrics.json":               "",
	"record/plan.json":           "[]",
}

func kindOf(path string) Kind {
	switch {
	case strings.HasSuffix(path, ".zst"):
		return KindDump
	case strings.HasPrefix(path, "databases/"):
		return KindSchema
	case strings.HasPrefix(path, "model/"):
		return KindModel
	case strings.HasPrefix(path, "configuration/"):
		return KindConfiguration
	case strings.HasPrefix(path, "metrics"):
		return KindMetrics
	}
	return KindRecord
}

func sample(environment string, at time.Time) Manifest {
	return Manifest{
		ID: environment + at.Format(stamp), Environment: environment, Project: "shop-" + environment, TakenAt: at,
		Images: []Image{{Service: "web", Ref: "shop/web:1", ID: "sha256:1"}},
		Databases: []Database{{
			Service: "db", Name: "shop", File: "databases/main.dump.zst",
			Rows: map[string]Rows{"public.settings": {Count: 1, Hash: "guessable", Method: "sum"}},
		}},
	}
}

// makeBackup writes the sample backup to parent under its own name.
func makeBackup(t testing.TB, parent, environment string, at time.Time) *Backup {
	t.Helper()
	w, err := Create(filepath.Join(parent, Name(environment, at)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}()
	for path, content := range contents {
		f, err := w.AddMode(path, kindOf(path), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.Seal(sample(environment, at))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newKey(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// stream is the backup as a tar.
func stream(t testing.TB, b *Backup, root string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := b.Send(t.Context(), &out, root); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sameContents compares what the backup gives with the sample.
func sameContents(b *Backup) error {
	if len(b.Manifest.Files) != len(contents) {
		return fmt.Errorf("%d files, want %d", len(b.Manifest.Files), len(contents))
	}
	for path, want := range contents {
		f, err := b.OpenFile(path)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(got) != want {
			return fmt.Errorf("%s: %d bytes, %w", path, len(got), err)
		}
	}
	return nil
}

// names lists a folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
