package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestWriteFileReplacesWhollyAndLeavesNothingBeside(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Mkdir(dir); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(filepath.Dir(dir)); info.Mode().Perm() != 0o700 {
		t.Errorf("folder mode %v", info.Mode())
	}
	path := filepath.Join(dir, "file")
	for _, content := range []string{"first and long", "second"} {
		if err := WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("%q, %v", got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
}

func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	// A folder with something in it stands where the file should go: the rename fails.
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("x"), 0o600); err == nil {
		t.Fatal("no error")
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Fatalf("left beside: %v, %v", names, err)
	}
	if err := Mkdir(filepath.Join(dir, "file", "inside")); err != nil {
		t.Fatal(err)
	}
}

func TestMkdirRefusesAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Mkdir(filepath.Join(path, "below")); err == nil {
		t.Fatal("no error")
	}
}

func TestOnlyOneHolder(t *testing.T) {
	dir := t.TempDir()
	for name, try := range map[string]func() (*Lock, error){
		"file":   func() (*Lock, error) { return TryLock(filepath.Join(dir, "lock")) },
		"folder": func() (*Lock, error) { return TryLockDir(dir) },
	} {
		first, err := try()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := try(); !errors.Is(err, ErrLocked) {
			t.Fatalf("%s: second holder: %v", name, err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := try()
		if err != nil {
			t.Fatalf("%s: after the first went: %v", name, err)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALockKnowsWhenItsNameIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := TryLockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !l.Holds(dir) {
		t.Fatal("does not hold what it locked")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if l.Holds(dir) {
		t.Fatal("holds another folder of the same name")
	}
}
