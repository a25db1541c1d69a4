package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/org/promote-action/internal/durable"
)

// Prune deletes backups beyond the newest keep of each environment and project, and returns those that it deleted. At least one is
// always kept, and nothing is deleted before one that is kept was read and verified. Never deleted are a backup that protect
// claims, one newer than the oldest kept, and a folder that has no manifest of this program. Damaged backups do not count as kept.
func Prune(ctx context.Context, entries []Entry, keep int, protect func(Entry) bool) ([]Entry, error) {
	groups := map[[2]string][]Entry{}
	for _, e := range entries {
		if e.Manifest != nil {
			key := [2]string{e.Manifest.Environment, e.Manifest.Project}
			groups[key] = append(groups[key], e)
		}
	}
	var removed []Entry
	var errs []error
	for _, group := range groups {
		for _, e := range surplus(ctx, group, max(keep, 1), protect) {
			if err := remove(e); err != nil {
				errs = append(errs, fmt.Errorf("backup: prune %s: %w", e.Name, err))
				continue
			}
			removed = append(removed, e)
		}
	}
	return removed, errors.Join(append(errs, ctx.Err())...)
}

// surplus returns what of one environment's backups may go.
func surplus(ctx context.Context, group []Entry, keep int, protect func(Entry) bool) []Entry {
	slices.SortStableFunc(group, func(a, b Entry) int { return b.Time().Compare(a.Time()) })
	verified := false
	var gone []Entry
	for i, e := range group {
		if protect != nil && protect(e) {
			if e.Err == nil {
				keep--
			}
			continue
		}
		if keep > 0 {
			if e.Err == nil {
				keep--
			}
			continue
		}
		if !verified && !anyVerifies(ctx, group[:i]) {
			return nil // none of those that stay is known to be good
		}
		verified = true
		gone = append(gone, e)
	}
	return gone
}

func anyVerifies(ctx context.Context, kept []Entry) bool {
	for _, e := range kept {
		if e.Err != nil {
			continue
		}
		b, err := Open(e.Path)
		if err == nil && b.Verify(ctx) == nil {
			return true
		}
	}
	return false
}

// remove deletes a backup under the name of an unfinished one, so that a deletion that is cut leaves nothing that looks like a backup.
func remove(e Entry) error {
	b, err := Open(e.Path)
	if err != nil {
		return err
	}
	if b.Manifest.ID != e.Manifest.ID {
		return fmt.Errorf("another backup took its place")
	}
	info, err := os.Lstat(e.Path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("it is %s, not a folder", describe(info.Mode()))
	}
	partial := e.Path + partialSuffix
	if err := removeAbandoned(partial); err != nil {
		return err
	}
	if err := durable.Rename(e.Path, partial); err != nil {
		return err
	}
	return os.RemoveAll(partial)
}
