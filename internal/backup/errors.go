package backup

import (
	"errors"
	"fmt"
)

// Reasons to refuse a backup.
var (
	ErrDamaged          = errors.New("backup is damaged")
	ErrNewer            = errors.New("written by a newer version of promote")
	ErrNotBackup        = errors.New("not a backup of promote")
	ErrOtherEnvironment = errors.New("backup of another environment")
	ErrEncrypted        = errors.New("backup is encrypted")
	ErrBusy             = errors.New("being written by another process")
)

// Damage is one file that is not what the manifest says. It matches ErrDamaged.
type Damage struct {
	File     string
	Found    string
	Expected string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%v: %s: found %s, expected %s", ErrDamaged, d.File, d.Found, d.Expected)
}

// Is makes a Damage match ErrDamaged.
func (d *Damage) Is(target error) bool { return target == ErrDamaged }
