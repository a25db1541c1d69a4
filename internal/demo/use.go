package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// Use says to other processes of this machine that this one needs the shop's images. The last user may remove those that
// it made itself.
type Use struct{ file *os.File }

// UseImages begins a use. It waits only while another process removes images.
func UseImages(ctx context.Context) (*Use, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("promote-demo-images-%d.lock", os.Getuid()))
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if err == nil {
			return &Use{f}, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("demo: %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Close ends the use.
func (u *Use) Close() { _ = u.file.Close() }

// alone reports whether nobody else uses the images; nobody can begin to until Close.
func (u *Use) alone() bool {
	return syscall.Flock(int(u.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// Images are the ids of the images that a demo makes: of the shop's releases and of promote's agent.
func Images(ctx context.Context, engine client.APIClient) (map[string]bool, error) {
	ids := map[string]bool{}
	for _, label := range []string{Label + "=1", "dev.promote.role=image"} {
		list, err := engine.ImageList(ctx, image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", label))})
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		for _, i := range list {
			ids[i.ID] = true
		}
	}
	return ids, nil
}

// RemoveNewImages removes the images that were not there before, those in use excepted. While another process uses the
// shop's images all stay.
func (u *Use) RemoveNewImages(ctx context.Context, engine client.APIClient, before map[string]bool) error {
	if !u.alone() {
		return nil
	}
	now, err := Images(ctx, engine)
	if err != nil {
		return err
	}
	var errs []error
	for id := range now {
		if before[id] {
			continue
		}
		info, err := engine.ImageInspect(ctx, id)
		if err != nil {
			errs = append(errs, ignoreMissing(err))
			continue
		}
		for _, ref := range append(info.RepoTags, id) {
			if _, err := engine.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true}); !errdefs.IsConflict(err) {
				errs = append(errs, ignoreMissing(err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("demo: remove images: %w", err)
	}
	return nil
}
