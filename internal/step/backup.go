package step

import "context"

// SealBackup writes the manifest over the restore point's portable part: from here on it can be verified.
type SealBackup struct{}

// Describe implements Step.
func (s *SealBackup) Describe() string { return "seal the backup with a manifest of checksums" }

// Do implements Step.
func (s *SealBackup) Do(ctx context.Context, t *Target) error { return t.Point.Seal(ctx) }

// Undo implements Step.
func (s *SealBackup) Undo(context.Context, *Target) error { return nil }

// ExportBackup copies the backup off the target to where the driver keeps backups.
type ExportBackup struct {
	Name string `json:"name"`
}

// Describe implements Step.
func (s *ExportBackup) Describe() string {
	return "copy the backup off the target as " + s.Name + "/ and verify the copy"
}

// Do implements Step.
func (s *ExportBackup) Do(context.Context, *Target) error { return ErrDriver }

// Undo implements Step.
func (s *ExportBackup) Undo(context.Context, *Target) error { return nil }
