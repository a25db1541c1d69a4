package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// configurationFiles are the files that the environment is configured by, as they are now: for the backup.
func (d *Driver) configurationFiles(env *Environment) map[string][]byte {
	files := map[string][]byte{}
	for _, name := range append(append([]string{}, env.Model.Files()...), env.Model.EnvFiles()...) {
		data, err := os.ReadFile(name)
		if err != nil || len(data) > 4<<20 {
			continue
		}
		rel, err := filepath.Rel(d.Config.Root, name)
		if err != nil || strings.HasPrefix(rel, "..") {
			rel = filepath.Join("outside", name)
		}
		files[filepath.ToSlash(rel)] = data
	}
	if data, err := os.ReadFile(d.Config.Path); err == nil {
		files[".github/promote.yml"] = data
	}
	return files
}

// moveImages brings images to the target's engine: pulled by digest where a registry has them, else streamed from the source.
func (p *promoting) moveImages(ctx context.Context, m *step.MoveImages) error {
	var ids []string
	for _, image := range m.Images {
		if image.RepoDigest != "" {
			if err := p.s.to.Engine.Pull(ctx, image.RepoDigest, p.progress("move-images")); err == nil {
				if has, err := p.s.to.Engine.HasImage(ctx, image.ID); err == nil && has {
					continue
				}
			}
		}
		ids = append(ids, image.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	moved, err := compose.Transfer(ctx, p.s.from.Engine, ids, p.s.to.Engine, p.progress("move-images"))
	if err != nil {
		return err
	}
	for from, to := range moved {
		if from != to {
			return fmt.Errorf("image %s has another id at the target (%s): its identity could not be proved", short(from), short(to))
		}
	}
	return nil
}

func (p *promoting) progress(name string) func(engine.Progress) {
	return func(e engine.Progress) {
		p.event(promotion.Event{Type: promotion.StepProgress, Phase: promotion.Backup, Step: name, Done: e.Current, Total: e.Total, Unit: "bytes", Message: e.Text})
	}
}

// BackupPath is where the restore point of a promotion has its portable backup, in the agent's container.
func backupPath(id string) string {
	return path.Join(agent.StateDir, "promotions", id, "restore", "backup")
}

// export copies the backup here, verifies the copy, and lets go of old ones.
func (p *promoting) export(ctx context.Context, e *step.ExportBackup) error {
	d := p.d
	dir := d.Config.BackupDirectory()
	recipients, err := backup.ParseRecipients(d.Config.Backup.Recipients)
	if err != nil {
		return err
	}
	stream, err := p.s.toAgent.Engine.CopyRaw(ctx, p.s.toAgent.ID, backupPath(p.id))
	if err != nil {
		return err
	}
	defer stream.Close()
	b, err := backup.Receive(ctx, stream, dir, e.Name, backup.Options{Recipients: recipients, Progress: func(n int64) {
		p.event(promotion.Event{Type: promotion.StepProgress, Phase: promotion.Backup, Step: "export-backup", Done: n, Unit: "bytes"})
	}})
	if err != nil {
		return err
	}
	p.backup = filepath.Join(dir, e.Name)
	if err := b.Verify(ctx); err != nil {
		return err
	}
	return d.prune(ctx, dir, p.s.to.Name, append(p.protect, e.Name))
}

// prune removes old backups of the environment; one that cannot be removed is a note, not a failure.
func (d *Driver) prune(ctx context.Context, dir, environment string, protect []string) error {
	entries, err := backup.List(dir)
	if err != nil {
		return err
	}
	var mine []backup.Entry
	for _, e := range entries {
		if strings.HasPrefix(e.Name, environment+"-backup-") {
			mine = append(mine, e)
		}
	}
	removed, err := backup.Prune(ctx, mine, max(1, d.Config.Backup.Keep), func(e backup.Entry) bool { return slices.Contains(protect, e.Name) })
	for _, e := range removed {
		d.View.Note("info", "removed old backup "+e.Name)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		d.View.Note("warning", "old backups: "+err.Error())
	}
	return nil
}
