package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

func running(name, image string) snapshot.Service {
	return snapshot.Service{Name: name, Containers: []snapshot.Container{{Name: name + "-1", ImageID: image, State: "running"}}}
}

// standing is one environment: a database, a service, a one-shot that ended, and one that does not run.
func standing() Input {
	job := running("migrate", "sha256:m1")
	job.OneShot = true
	return Input{
		To: snapshot.Snapshot{
			Environment: "staging", Project: "shop-staging",
			Services: []snapshot.Service{running("api", "sha256:a1"), running("db", "sha256:d1"), job},
			Servers: []snapshot.Server{{Service: "db", Name: "db", Number: 150018, Databases: []snapshot.Database{
				{Name: "shop", Size: 100 << 20, SchemaHash: "s2"}, {Name: "stats", Size: 1 << 20, SchemaHash: "t1"},
			}}},
			Volumes: []snapshot.Volume{{Name: "shop-staging_uploads", Key: "uploads", Services: []string{"api"}}},
		},
		Services: []Service{{Name: "api", DependsOn: []Dependency{{Service: "db"}}}, {Name: "db", Datastore: true}, {Name: "migrate", OneShot: true}, {Name: "off"}},
		Volumes:  map[string]string{"uploads": "snapshot"},
		ID:       "20260304-050607-42", Now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Backup: "staging-backup-20260304-050607", Dump: true,
		CopyName: func(db, kind, id string) string { return kind + "." + db },
	}
}

func names(p Plan, phase promotion.Phase) []string {
	var out []string
	for _, item := range p.Of(phase) {
		out = append(out, item.Name)
	}
	return out
}

func TestABackupTouchesNothing(t *testing.T) {
	in := standing()
	in.Dump = false // a backup that is asked for by itself has a dump all the same
	p := BuildBackup(in)
	want := []string{"record-release", "dump-database db/shop", "dump-database db/stats", "seal-backup", "export-backup"}
	if got := names(p, promotion.Backup); !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
	for _, item := range p.Steps {
		if item.Phase.Mutates() {
			t.Errorf("step %s is in phase %s", item.Name, item.Phase)
		}
	}
	if p.Estimate.Downtime != 0 || p.Estimate.Disk > 60<<20 {
		t.Errorf("downtime %s, disk %d", p.Estimate.Downtime, p.Estimate.Disk)
	}
	for phase, has := range map[promotion.Phase]bool{promotion.Preflight: true, promotion.Test: false, promotion.Backup: true, promotion.Shutdown: false} {
		if p.Has(phase) != has {
			t.Errorf("has %s: %v", phase, !has)
		}
	}
}

func TestARestoreReplacesWhatIsInTheBackupAndNothingElse(t *testing.T) {
	p, problems := BuildRestore(standing(), Given{Name: "old", Dumps: []Dump{{Server: "main", Database: "shop", File: "databases/x.dump.zst", Schema: "s1", Bytes: 50 << 20}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for phase, want := range map[promotion.Phase][]string{
		promotion.Backup:   {"hold-images", "record-release", "dump-database db/shop", "dump-database db/stats", "send-backup", "seal-backup", "export-backup"},
		promotion.Shutdown: {"stop-services", "close-database db/shop", "fingerprint-database db/shop", "copy-volume shop-staging_uploads"},
		promotion.Deploy:   {"load-database db/shop", "restart-services"},
		promotion.Verify:   {"verify-services", "verify-checks", "settle"},
	} {
		if got := names(p, phase); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", phase, got, want)
		}
	}
	load, ok := p.Of(promotion.Deploy)[0].Step.(*step.LoadDatabase)
	if !ok || load.File != "given/databases/x.dump.zst" || load.As != "load.shop" || load.Aside != "replaced.shop" || load.Schema != "s1" {
		t.Errorf("load %+v", load)
	}
	if stop, ok := p.Of(promotion.Shutdown)[0].Step.(*step.StopServices); !ok || !slices.Equal(stop.Services, []string{"api"}) {
		t.Errorf("stop %+v: the database stays up and a one-shot is not run again", stop)
	}
	warnings := strings.Join(p.Warnings, "\n")
	for _, want := range []string{"another schema in the backup", "db/stats is not in the backup"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no warning of %q in %q", want, warnings)
		}
	}
	if p.Has(promotion.Test) || !p.Has(promotion.Verify) {
		t.Error("a restore is verified, and tests no other environment")
	}
}

func TestARestoreOfWhatIsNotThereIsAProblem(t *testing.T) {
	in := standing()
	in.To.Servers = append(in.To.Servers, snapshot.Server{Name: "other"})
	_, problems := BuildRestore(in, Given{Name: "old", Dumps: []Dump{{Server: "main", Database: "shop"}, {Server: "db", Database: "gone"}}})
	if len(problems) != 2 || !strings.Contains(problems[0].Message, "of server main") || !strings.Contains(problems[1].Message, "there is no database gone") {
		t.Errorf("problems %+v", problems)
	}
}

func TestARestoreWithItsReleaseWantsTheBackupsImages(t *testing.T) {
	p, _ := BuildRestore(standing(), Given{Name: "old", Dumps: []Dump{{Server: "db", Database: "shop", Schema: "s1"}}, Images: map[string]string{"api": "sha256:a0"}})
	restart, ok := p.Of(promotion.Deploy)[1].Step.(*step.RestartServices)
	if !ok || restart.Record != "given/release.json" {
		t.Errorf("restart %+v", restart)
	}
	verify, ok := p.Of(promotion.Verify)[0].Step.(*step.VerifyServices)
	if !ok || !slices.ContainsFunc(verify.Want, func(w step.Want) bool { return w.Service == "api" && w.ImageID == "sha256:a0" }) {
		t.Errorf("verify %+v", verify)
	}
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again Plan
	if err := json.Unmarshal(data, &again); err != nil || len(again.Steps) != len(p.Steps) {
		t.Errorf("stored and read again: %v", err)
	}
}
