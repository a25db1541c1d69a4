package cli

import (
	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
)

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup ENVIRONMENT",
		Short: "Take a backup of an environment, which goes on running",
		Long: `Take a backup of an environment, which goes on running: a dump of each database, decoded again, with configuration, containers,
images and checksums. It is copied into the backup folder and verified there; old ones beyond backup.keep are removed.`,
		Example: "  promote backup staging\n  BACKUP_DIR=/var/backups promote backup staging --format json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.driver("promotion", promotion.Preflight, promotion.Backup)
			if err != nil {
				return err
			}
			res, err := d.Backup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.tell(res)
		},
	}
}

func (a *app) restoreCommand() *cobra.Command {
	var o driver.RestoreOptions
	cmd := &cobra.Command{
		Use:   "restore ENVIRONMENT BACKUP",
		Short: "Put the databases of a backup in the place of an environment's",
		Long: `Put the databases of a backup in the place of an environment's. The backup is read whole and verified first. Then follow the
same steps as in a promotion: a backup of what is there now, the services stop, each database is restored beside the present
one, compared with the backup and swapped in, the services start again and are verified. Any failure swaps the present
databases back. They are kept until the next promotion: promote rollback brings them back.

The services keep the release that runs; --release brings back that of the backup, if all its images are on the engine.`,
		Example: `  promote restore staging staging-backup-20260304-050607
  promote restore staging /mnt/backups/staging-backup-20260304-050607 --identity key.txt
  promote restore staging staging-backup-20260304-050607 --release`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Environment, o.Backup = args[0], args[1]
			d, err := a.driver("promotion", promotion.Preflight, promotion.Backup, promotion.Shutdown, promotion.Deploy, promotion.Verify)
			if err != nil {
				return err
			}
			res, err := d.Restore(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.tell(res)
		},
	}
	cmd.Flags().StringVar(&o.Identity, "identity", "", "`file` with the private key (age or SSH) for an encrypted backup")
	cmd.Flags().BoolVar(&o.Other, "force-other", false, "although it is a backup of another environment or project")
	cmd.Flags().BoolVar(&o.Release, "release", false, "also bring back the release that the backup was taken of")
	cmd.Flags().BoolVar(&o.NoDump, "no-dump", false, "without a dump of what is there now, which a broken database may not allow; it is kept aside all the same")
	return cmd
}
