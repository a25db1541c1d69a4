package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/org/promote-action/internal/promotion"
)

// CopyVolume copies a named volume while the services are stopped.
type CopyVolume struct {
	Volume string `json:"volume"`
}

func (s *CopyVolume) file() string { return "volumes/" + digest(s.Volume) + ".digest" }

// Describe implements Step.
func (s *CopyVolume) Describe() string { return "copy volume " + s.Volume }

// DescribeUndo implements Undescriber.
func (s *CopyVolume) DescribeUndo() string { return "put the content of volume " + s.Volume + " back" }

// Do implements Step.
func (s *CopyVolume) Do(ctx context.Context, t *Target) error {
	sum, err := t.Volumes.Copy(ctx, s.Volume, func(done, total int64) { t.Progress(done, total, "bytes", "") })
	if err != nil {
		return fmt.Errorf("copy volume %s: %w", s.Volume, err)
	}
	return t.Point.Write(s.file(), []byte(sum))
}

// Undo implements Step.
func (s *CopyVolume) Undo(ctx context.Context, t *Target) error {
	want, err := t.Point.Read(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the copy was never finished, so nothing has been started on the volume since
	}
	if err != nil {
		return err
	}
	got, err := t.Volumes.Digest(ctx, s.Volume)
	if err != nil || got != string(want) {
		if err := t.Volumes.Restore(ctx, s.Volume, func(done, total int64) { t.Progress(done, total, "bytes", "") }); err != nil {
			return fmt.Errorf("restore volume %s: %w", s.Volume, err)
		}
		if got, err = t.Volumes.Digest(ctx, s.Volume); err != nil {
			return err
		}
	}
	t.Prove(promotion.ProofItem{Area: "volumes", Name: s.Volume, Want: short(string(want)), Got: short(got), Equal: got == string(want)})
	if got != string(want) {
		return fmt.Errorf("volume %s %w", s.Volume, ErrDiffers)
	}
	return nil
}
