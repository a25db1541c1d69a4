package config

// Backup is about the backups that are copied to the machine that promotes.
type Backup struct {
	Directory  string   `yaml:"directory" jsonschema_description:"Folder for backups. Default: BACKUP_DIR, else the working directory."`
	Keep       int      `yaml:"keep" jsonschema:"minimum=1,default=5" jsonschema_description:"How many backups of an environment are kept. The newest good one, and one that an unfinished promotion needs, always are."`
	Recipients []string `yaml:"recipients" jsonschema_description:"age public keys (age1…) or SSH public keys that backups are encrypted to. Default: not encrypted."`
	Dump       bool     `yaml:"dump" jsonschema:"default=true" jsonschema_description:"Whether each database is also dumped to a portable file. Without it only the instant copy at the target exists."`
}

// BackupDirectory is the folder for backups: backup.directory as an absolute path, else BACKUP_DIR as given, else ".".
func (c *Config) BackupDirectory() string {
	if c.Backup.Directory != "" {
		return c.abs(c.Backup.Directory)
	}
	if c.Settings.BackupDir != "" {
		return c.Settings.BackupDir
	}
	return "."
}
