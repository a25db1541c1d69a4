package driver

import "testing"

func TestOwnFilesAreNobodysChanges(t *testing.T) {
	for name, want := range map[string]bool{
		"promotion-20261124-213705.log": true, "logs/promotion-20261124-213705.html": true, "promotion-tests-20261124-213705.log": true,
		"staging-backup-20261124-213705/": true, "notes.log": false, "promotion.go": false, "my-backup-2026/": false,
	} {
		if got := ownFile.MatchString(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
