package postgres

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/org/promote-action/internal/process"
	"github.com/org/promote-action/internal/testkit"
)

const reflinkPrefix = "promote-test-xfs-"

// reflinks mounts an XFS file system with reflinks from a file, and takes it away when the test ends. A machine that cannot
// is a skip with its reason.
func reflinks(t *testing.T) string {
	t.Helper()
	unmountLeftovers()
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	if known, _ := os.ReadFile("/proc/filesystems"); !strings.Contains(string(known), "\txfs\n") {
		t.Skip("this kernel has no XFS (/proc/filesystems)")
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", reflinkPrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(dir) })
	disk, at := filepath.Join(dir, "disk"), filepath.Join(dir, "mount")
	for _, c := range [][]string{
		{"truncate", "--size=400M", disk},
		{"mkfs.xfs", "-q", "-m", "reflink=1", disk},
		{"mkdir", "--mode=0755", at},
		{"mount", "-o", "loop", disk, at},
		{"chmod", "0755", dir, at},
	} {
		if _, err := process.Output(t.Context(), process.Command{Path: c[0], Args: c[1:]}); err != nil {
			t.Skipf("no XFS with reflinks can be mounted here (mkfs.xfs is in xfsprogs): %v", err)
		}
	}
	return at
}

func unmount(dir string) {
	_, _ = process.Output(context.Background(), process.Command{Path: "umount", Args: []string{"--lazy", filepath.Join(dir, "mount")}})
	_ = os.RemoveAll(dir)
}

// unmountLeftovers takes away what a killed predecessor mounted.
func unmountLeftovers() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), reflinkPrefix+"*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(strings.SplitN(strings.TrimPrefix(filepath.Base(dir), reflinkPrefix), "-", 2)[0])
		if err == nil && syscall.Kill(pid, 0) != nil {
			unmount(dir)
		}
	}
}

// From PostgreSQL 18 on, where the file system has reflinks, a clone shares the blocks of its original, and is a clone all
// the same: what is written to one is not seen in the other.
func TestCloneByReflink(t *testing.T) {
	if major := open(t).Major(); major < 18 {
		t.Skipf("PostgreSQL %d copies every block: file_copy_method came with 18", major)
	}
	at := reflinks(t)
	kit := testkit.NewPostgresIn(t, open(t).Major(), at)
	conn := Conn{Host: kit.Host(), Port: kit.Port, User: kit.User, TLSMode: "disable"}
	exec := func(db, sql string) {
		t.Helper()
		cfg, err := conn.config(db)
		if err != nil {
			t.Fatal(err)
		}
		c, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer closeConn(c)
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("postgres", "CREATE DATABASE shop")
	exec("shop", filler)
	s, err := Open(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.RowFingerprints(t.Context(), "shop", RowOptions{})
	if err != nil {
		t.Fatal(err)
	}
	exec("postgres", "CHECKPOINT")
	before := free(t, at)
	clone := CopyName("shop", "clone", "1")
	result, err := s.Clone(t.Context(), "shop", clone, CloneOptions{ID: "1"})
	if err != nil {
		t.Fatal(err)
	}
	used := before - free(t, at)
	t.Logf("%s for %d MB, %d MB more on the disk", result, result.Bytes>>20, used>>20)
	if result.Strategy != "clone" || used > result.Bytes/4 {
		t.Errorf("%+v takes %d bytes of the disk", result, used)
	}
	exec("shop", "DELETE FROM filler")
	if err := s.Swap(t.Context(), "shop", CopyName("shop", "failed", "1"), clone); err != nil {
		t.Fatal(err)
	}
	got, err := s.RowFingerprints(t.Context(), "shop", RowOptions{})
	if diff := DiffRows(want, got); err != nil || len(diff) > 0 {
		t.Errorf("%q, %v", diff, err)
	}
}

// free is the room of the file system, in bytes, after everything was written.
func free(t *testing.T, path string) int64 {
	t.Helper()
	syscall.Sync()
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Bfree) * st.Bsize
}
