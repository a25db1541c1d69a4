package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// onDisk runs f with a file system of its own at dir, of the given mount options. The mount is seen by the calling thread only and
// goes with it, so that nothing can be left behind.
func onDisk(t *testing.T, options string, f func(dir string, remount func(flags uintptr))) {
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
		f(dir, func(flags uintptr) {
			if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
				t.Errorf("remount: %v", err)
			}
		})
	}()
	if err := <-done; errors.Is(err, syscall.EPERM) {
		t.Skip("mounting a small disk needs more rights than this user has")
	} else if err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskForReal(t *testing.T) {
	onDisk(t, "size=64k", func(dir string, _ func(uintptr)) {
		s, err := OpenStore(dir)
		if err != nil {
			t.Error(err)
			return
		}
		path := filepath.Join(dir, "journal")
		j, _, err := Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer j.Close()
		n := 0
		for ; ; n++ {
			if _, err = j.Append(Record{Type: Note, Message: strings.Repeat("x", 700)}); err != nil {
				break
			}
		}
		replay, readErr := Read(path)
		if !errors.Is(err, syscall.ENOSPC) || n == 0 || readErr != nil || len(replay.Records) != n || replay.Torn != 0 {
			t.Errorf("after %d records: %v; on disk %d, torn %d, %v", n, err, len(replay.Records), replay.Torn, readErr)
		}
		err = s.Writable()
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(fmt.Sprint(err), "no space left on device: free space") {
			t.Errorf("writable: %v", err)
		}
		if err := s.Hold("r1", Hold{Reason: strings.Repeat("x", 8000)}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("hold: %v", err)
		}
		if holds, err := s.Holds(); err != nil || len(holds) != 0 {
			t.Errorf("after a failed hold: %v, %v", holds, err)
		}
	})
}

func TestAReadOnlyVolume(t *testing.T) {
	onDisk(t, "size=64k", func(dir string, remount func(uintptr)) {
		if _, err := OpenStore(dir); err != nil {
			t.Error(err)
			return
		}
		remount(syscall.MS_RDONLY)
		s, err := OpenStore(dir)
		if err != nil {
			t.Errorf("reading needs no writing: %v", err)
			return
		}
		if err := s.Writable(); !errors.Is(err, syscall.EROFS) || !strings.Contains(fmt.Sprint(err), "read-only file system: the agent needs it mounted read-write") {
			t.Errorf("writable: %v", err)
		}
		if list, err := s.List(); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
	})
	onDisk(t, "size=64k,ro", func(dir string, _ func(uintptr)) {
		if _, err := OpenStore(dir); !errors.Is(err, syscall.EROFS) {
			t.Errorf("an empty read-only volume: %v", err)
		}
	})
}
