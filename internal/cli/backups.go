package cli

import (
	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/report"
)

func (a *app) backupsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backups",
		Short: "List the backups in the backup folder, newest first",
		Long: `List the backups in the backup folder, newest first: backup.directory of the configuration, or BACKUP_DIR, or the working
directory. Names and sizes are compared with each manifest; promote restore also reads the content.`,
		Example: "  promote backups\n  BACKUP_DIR=/var/backups promote backups --format json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := report.ParseFormat(a.format); err != nil {
				return err
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			list, err := backup.List(cfg.BackupDirectory())
			if err != nil {
				return err
			}
			var entries []report.BackupEntry
			for _, e := range list {
				entries = append(entries, backupEntry(e))
			}
			return a.print(report.Backups(entries))
		},
	}
}

func backupEntry(e backup.Entry) report.BackupEntry {
	b := report.BackupEntry{Name: e.Name, Path: e.Path, TakenAt: e.Time(), Bytes: e.Size}
	if m := e.Manifest; m != nil {
		b.Environment, b.Promotion, b.Release, b.Commit, b.Databases, b.Encrypted = m.Environment, m.Promotion, m.Release, m.Commit, len(m.Databases), m.Encrypted
	}
	if e.Err != nil {
		b.Problem = e.Err.Error()
	}
	return b
}
