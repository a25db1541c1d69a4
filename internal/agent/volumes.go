package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/org/promote-action/internal/engine"
)

// volumes makes named volumes step.Volumes. The copies lie in the restore point, on the same file system where the engine
// keeps both, so that a file system with reflinks copies nothing.
type volumes struct {
	env   *environment
	point point
}

func (v *volumes) mounts(volume string, writable bool) []engine.Mount {
	return []engine.Mount{
		{Type: "volume", Name: volume, Target: "/volume", RW: writable},
		{Type: "volume", Name: StateVolume(v.env.spec.Project), Target: StateDir, RW: true},
	}
}

func (v *volumes) copyDir(volume string) string {
	return filepath.Join(v.point.dir, "volumes", strings.ReplaceAll(volume, "/", "_"))
}

// own is where this agent has the volume mounted; otherwise a helper container with it does the work.
func (v *volumes) own(volume string) (string, bool) {
	dir := filepath.Join(VolumeDir, volume)
	_, err := os.Stat(dir)
	return dir, err == nil
}

// Copy implements step.Volumes.
func (v *volumes) Copy(ctx context.Context, volume string, _ func(done, total int64)) (string, error) {
	if err := os.MkdirAll(filepath.Dir(v.copyDir(volume)), 0o700); err != nil {
		return "", err
	}
	if own, mounted := v.own(volume); mounted {
		return CopyTree(own, v.copyDir(volume))
	}
	out, err := v.env.helper(ctx, v.mounts(volume, false), "copy-tree", "/volume", v.copyDir(volume))
	return strings.TrimSpace(out), err
}

// Restore implements step.Volumes.
func (v *volumes) Restore(ctx context.Context, volume string, _ func(done, total int64)) error {
	if own, mounted := v.own(volume); mounted {
		_, err := CopyTree(v.copyDir(volume), own)
		return err
	}
	_, err := v.env.helper(ctx, v.mounts(volume, true), "copy-tree", v.copyDir(volume), "/volume")
	return err
}

// Digest implements step.Volumes.
func (v *volumes) Digest(ctx context.Context, volume string) (string, error) {
	if own, mounted := v.own(volume); mounted {
		return DigestTree(own)
	}
	out, err := v.env.helper(ctx, v.mounts(volume, false), "digest-tree", "/volume")
	return strings.TrimSpace(out), err
}

// CopyTree makes the folder to hold exactly what the folder from holds: content, permissions, owners, times, symbolic and
// hard links. It returns the tree's digest.
func CopyTree(from, to string) (string, error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return "", err
	}
	old, err := os.ReadDir(to)
	if err != nil {
		return "", err
	}
	for _, entry := range old {
		if err := os.RemoveAll(filepath.Join(to, entry.Name())); err != nil {
			return "", err
		}
	}
	links := map[uint64]string{}
	var folders []string
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("no owner is known")
		}
		switch {
		case info.IsDir():
			if rel != "." {
				if err := os.Mkdir(target, 0o700); err != nil {
					return err
				}
			}
			folders = append(folders, path)
			return nil
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			if err := os.Symlink(link, target); err != nil {
				return err
			}
			return os.Lchown(target, int(st.Uid), int(st.Gid))
		case info.Mode().IsRegular():
			if first, linked := links[st.Ino]; linked && st.Nlink > 1 {
				return os.Link(first, target)
			}
			links[st.Ino] = target
			if err := copyFile(path, target); err != nil {
				return err
			}
		case info.Mode()&fs.ModeNamedPipe != 0:
			if err := unix.Mkfifo(target, 0o600); err != nil {
				return err
			}
		default:
			return nil // a socket or a device has no content
		}
		return attributes(target, info, st)
	})
	if err != nil {
		return "", err
	}
	for i := len(folders) - 1; i >= 0; i-- { // last, since making what is inside changes their times
		rel, _ := filepath.Rel(from, folders[i])
		info, err := os.Lstat(folders[i])
		if err != nil {
			return "", err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			if err := attributes(filepath.Join(to, rel), info, st); err != nil {
				return "", err
			}
		}
	}
	want, err := DigestTree(from)
	if err != nil {
		return "", err
	}
	got, err := DigestTree(to)
	if err != nil {
		return "", err
	}
	if want != got {
		return "", errors.New("the copy differs from the original: something still writes there")
	}
	unix.Sync()
	return got, nil
}

func attributes(target string, info fs.FileInfo, st *syscall.Stat_t) error {
	if err := os.Lchown(target, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(target, st.Mode&0o7777); err != nil {
		return err
	}
	return os.Chtimes(target, info.ModTime(), info.ModTime())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return out.Close()
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// DigestTree is a SHA-256 over names, kinds, permissions, owners and content of all below a folder. Times are left out:
// reading can change them.
func DigestTree(root string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("no owner is known")
		}
		fmt.Fprintf(h, "%q %o %d %d\n", rel, st.Mode, st.Uid, st.Gid)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(h, "%q\n", link)
		case info.Mode().IsRegular():
			fmt.Fprintf(h, "%d\n", info.Size())
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := io.Copy(h, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}
