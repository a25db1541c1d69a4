package backup

import (
	"bytes"
	"errors"
	"runtime"
	"syscall"
	"testing"
)

// onDisk runs f with a file system of its own at dir, of the given mount options. The mount is seen by the calling thread only and
// goes with it, so that nothing can be left behind.
func onDisk(t *testing.T, options string, f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	done := make(chan error)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its mounts
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			done <- err
			return
		}
		if err := errors.Join(
			syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			syscall.Mount("tmpfs", dir, "tmpfs", 0, options),
		); err != nil {
			done <- err
			return
		}
		f(dir)
	}()
	if err := <-done; errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a small disk needs more rights than this user has")
	} else if err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskForReal(t *testing.T) {
	data := stream(t, makeBackup(t, t.TempDir(), "staging", taken), "backup")
	onDisk(t, "size=64k", func(parent string) {
		for way, opt := range ways(t) {
			_, err := Receive(t.Context(), bytes.NewReader(data), parent, backupName, opt)
			if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", way, err)
			}
			if left := names(t, parent); len(left) != 0 {
				t.Errorf("%s: left %q", way, left)
			}
		}
	})
}
