package report

import (
	"time"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

var at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func id(c string) string {
	s := ""
	for len(s) < 64 {
		s += c
	}
	return "sha256:" + s[:64]
}

func samplePlan() plan.Plan {
	item := func(name string, phase promotion.Phase, s step.Step, estimate time.Duration) step.Item {
		return step.Item{Name: name, Phase: phase, Side: step.Agent, Step: s, Estimate: estimate}
	}
	const copied = "shop__restore_20260304_050607_42"
	return plan.Plan{
		Schema: plan.Schema, From: "development", To: "staging", FromProject: "shop-dev", Project: "shop-staging", Mode: "deploy",
		Release: plan.Release{ID: "r-0a1b2c3d4e5f", Commit: "3f2a9c10b7d84e5f60718293a4b5c6d7e8f90123", Branch: "main", Subject: "orders: add a note | `x` <b>", Author: "Ada"},
		Changes: []plan.Change{
			{Service: "db", Action: plan.Keep, From: id("d0"), To: id("d0"), FromName: "postgres:15", ToName: "postgres:15", Reason: "a datastore stays up and is not replaced"},
			{Service: "migrate", Action: plan.Run, From: id("a1"), To: id("a2"), FromName: "shop/migrate:1", ToName: "shop/migrate:2", Reason: "a one-shot of the release"},
			{Service: "api", Action: plan.Replace, From: id("b1"), To: id("b2"), FromName: "shop/api:1", ToName: "shop/api:2", Reason: "another image"},
			{Service: "web", Action: plan.Replace, From: id("c1"), To: id("c1"), FromName: "shop/web:1", ToName: "shop/web:1", Reason: "same image: configuration and drift are put right"},
			{Service: "search", Action: plan.Start, To: id("e1"), ToName: "shop/search:2", Reason: "new at the target"},
		},
		Steps: []step.Item{
			item("move-images", promotion.Backup, &step.MoveImages{}, 0),
			item("record-release", promotion.Backup, &step.RecordRelease{Services: 5}, 0),
			item("dump-database shop", promotion.Backup, &step.DumpDatabase{Server: "shop", Database: "shop", Bytes: 8_100_000}, 2280*time.Millisecond),
			item("seal-backup", promotion.Backup, &step.SealBackup{}, 0),
			item("stop-services", promotion.Shutdown, &step.StopServices{Services: []string{"web", "api", "migrate"}}, time.Second),
			item("close-database shop", promotion.Shutdown, &step.CloseDatabase{Server: "shop", Database: "shop"}, 0),
			item("copy-database shop", promotion.Shutdown, &step.CopyDatabase{Server: "shop", Database: "shop", Way: step.Clone, As: copied, Aside: "shop__failed_20260304_050607_42", Bytes: 8_100_000}, 220*time.Millisecond),
			item("open-database shop", promotion.Deploy, &step.OpenDatabase{Server: "shop", Database: "shop"}, 0),
			item("run-job migrate", promotion.Deploy, &step.RunJob{Service: "migrate"}, 2*time.Second),
			item("start-services", promotion.Deploy, &step.StartServices{Services: []string{"api", "web", "search"}, Keep: []string{"db"}, JobsDone: []string{"migrate"}}, 5*time.Second),
			item("settle", promotion.Verify, &step.Settle{For: 3000}, 3*time.Second),
		},
		Class: plan.Restore, ClassReason: "whether the release changes the schema is known when it has run: until then a rollback goes back to the moment of shutdown",
		Estimate:    plan.Estimate{Downtime: 9000, Total: 15000, Disk: 240_000_000, ImageBytes: 12_000_000, Basis: "not measured: run-job migrate"},
		Warnings:    []string{"volume shop-staging_uploads of api is not covered by a rollback: name it under `volumes:` as snapshot or ignore"},
		Fingerprint: "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0", MadeAt: at, Tool: "1.0.0",
	}
}

func sampleChecks() []promotion.Check {
	return []promotion.Check{
		{Category: "health", Name: "container", Environment: "development", Service: "api", Status: promotion.Pass, Message: "healthy", Took: 120},
		{Category: "health", Name: "container", Environment: "development", Service: "orders", Status: promotion.Fail, Critical: true, Message: "unhealthy since 40 s", Hint: "promote logs development orders", Detail: []string{"GET /healthz: 503", "\x1b[31m##[error]database\x1b[0m is away ```` @ops"}, Took: 90},
		{Category: "api", Name: "GET /version", Environment: "development", Service: "api", Status: promotion.Warn, Message: "slow: 2.4 s | allowed are 2 s", Took: 2400},
		{Category: "database", Name: "replication", Environment: "development", Status: promotion.Skip, Message: "no replica is configured"},
		{Category: "database", Name: "connect", Environment: "development", Status: promotion.Error, Message: "the check itself broke: <timeout>", Took: 30000},
	}
}

func sampleFailure() *promotion.Failure {
	return &promotion.Failure{
		Phase: promotion.Deploy, Step: "start-services", Message: "api cannot become healthy: it exited (1)", Service: "api",
		Health: []string{"05:06:30 starting", "05:06:31 connection refused"},
		Log:    []string{`{"level":"error","msg":"column \"note\" is missing"}`, "::error::stolen", "```", "panic: boot"},
		Hint:   "promote logs staging api",
	}
}

func sampleProof(equal bool) *promotion.Proof {
	p := &promotion.Proof{Of: "restore point 20260304-050607-42", Items: []promotion.ProofItem{
		{Area: "images", Name: "api", Want: "b1b1b1b1b1b1", Got: "b1b1b1b1b1b1", Equal: true},
		{Area: "schema", Name: "shop", Want: "0123456789ab", Got: "0123456789ab", Equal: true},
		{Area: "rows", Name: "shop", Want: "1200 rows in 6 tables, aa11", Got: "1200 rows in 6 tables, aa11", Equal: true},
	}}
	if !equal {
		p.Items[2].Got, p.Items[2].Equal, p.Items[2].Reason = "1199 rows in 6 tables, bb22", false, "public.orders: 199 rows, were 200"
	}
	p.Holds()
	return p
}

// sampleResults has one result for every outcome and variant worth a golden file.
func sampleResults() map[string]promotion.Result {
	base := promotion.Result{
		Command: "run", ID: "20260304-050607-42", From: "development", To: "staging", Project: "shop-staging", By: "ada", Release: "r-0a1b2c3d4e5f",
		Commit: "3f2a9c10b7d84e5f60718293a4b5c6d7e8f90123", Class: "restore", Started: at, Ended: at.Add(47300 * time.Millisecond),
		LogPath: "promotion-20260304-050607.log",
	}
	ended := func(names ...promotion.Phase) []promotion.PhaseResult {
		var phases []promotion.PhaseResult
		for i, p := range names {
			phases = append(phases, promotion.PhaseResult{Phase: p, Status: promotion.Pass, Started: at, Took: promotion.Duration(1000*i + 450)})
		}
		return phases
	}
	failed := func(r promotion.Result) promotion.Result {
		r.Phases = ended(promotion.Preflight, promotion.Test, promotion.Backup, promotion.Shutdown)
		r.Phases = append(r.Phases,
			promotion.PhaseResult{Phase: promotion.Deploy, Status: promotion.Fail, Reason: "api cannot become healthy", Started: at, Took: 6200, Steps: []promotion.StepResult{
				{Name: "open-database shop", Description: "open database shop to the new release", Status: promotion.Pass, Took: 30},
				{Name: "run-job migrate", Description: "run migrate to its end", Status: promotion.Pass, Took: 1900, Estimate: 2000, Basis: "not measured"},
				{Name: "start-services", Description: "start api, web of the new release", Status: promotion.Fail, Message: "api exited (1)", Took: 6100, Estimate: 5000, Basis: "as in promotion 20260301-090000-39"},
			}},
			promotion.PhaseResult{Phase: promotion.Verify, Status: promotion.Skip, Reason: "deploy failed"},
			promotion.PhaseResult{Phase: promotion.Rollback, Status: promotion.Pass, Started: at, Took: 7100})
		r.Failure, r.Downtime, r.EstDowntime = sampleFailure(), 15400, 9000
		r.Kept = []string{"database shop__failed_20260304_050607_42, until 3 restore points later"}
		return r
	}
	results := map[string]promotion.Result{}

	r := base
	r.Outcome, r.Phases, r.Downtime, r.EstDowntime = promotion.Done, ended(promotion.Forward...), 8600, 9000
	r.EstBasis = "not measured: run-job migrate"
	r.Phases[2].Steps = []promotion.StepResult{
		{Name: "dump-database shop", Description: "dump database shop (8.1 MB) online and decode the whole dump again", Status: promotion.Pass, Took: 1900, Estimate: 2280, Basis: "not measured"},
	}
	r.Phases[3].Steps = []promotion.StepResult{
		{Name: "close-database shop", Description: "close database shop", Status: promotion.Pass, Took: 40},
		{Name: "fingerprint-database shop", Description: "fingerprint database shop", Status: promotion.Pass, Took: 310, Estimate: 290, Basis: "measured: 240 MB/s"},
		{Name: "copy-database shop", Description: "clone database shop (8.1 MB)", Status: promotion.Pass, Took: 1200, Estimate: 1100, Basis: "measured"},
	}
	r.Proof = sampleProof(true)
	r.Proof.Of = "release r-0a1b2c3d4e5f"
	r.BackupPath, r.ReportPath = "backups/staging-backup-20260304-050607", "report.html"
	r.Warnings, r.Next = []string{"volume uploads is not covered by a rollback"}, []string{"promote status staging", "promote rollback 20260304-050607-42"}
	results["done"] = r

	r = base
	r.Outcome, r.Phases = promotion.Done, ended(promotion.Preflight, promotion.Test)
	r.Next = []string{"promote run --id 20260304-050607-42 --phase backup,shutdown,deploy,verify"}
	results["part"] = r

	r = base
	r.Outcome, r.Phases, r.Checks, r.Reason = promotion.Refused, ended(promotion.Preflight), sampleChecks(), "2 checks did not pass"
	r.Phases = append(r.Phases, promotion.PhaseResult{Phase: promotion.Test, Status: promotion.Fail, Reason: "2 checks did not pass", Took: 30000})
	r.Next = []string{"promote test development"}
	results["refused"] = r

	r = base
	r.Outcome, r.Phases, r.Reason = promotion.Canceled, ended(promotion.Preflight), "interrupted while testing"
	results["cancelled"] = r

	r = failed(base)
	r.Outcome, r.Reason, r.Proof = promotion.RolledBack, "api cannot become healthy: it exited (1)", sampleProof(true)
	r.Next = []string{"promote run --from development --to staging --despite-hold"}
	results["rolled-back"] = r

	r = failed(base)
	r.Outcome, r.Reason, r.Proof = promotion.RollbackFailed, "the rollback did not finish", sampleProof(false)
	r.Phases[6].Status, r.Phases[6].Reason = promotion.Fail, "rows differ"
	r.Rollback = []string{"fingerprint-database shop: database shop differs from the restore point: rows: public.orders: 199 rows, were 200"}
	r.Left = []string{"compare public.orders with the backup", "promote restore staging staging-backup-20260304-050607"}
	results["rollback-failed"] = r

	r = base
	r.Outcome, r.Reason, r.Phases = promotion.Locked, "promotion 20260304-050500-41 by bob is in phase deploy since 05:05:40", nil
	r.Next = []string{"promote status staging --watch"}
	results["locked"] = r

	r = base
	r.Outcome, r.Reason, r.Phases = promotion.Inconclusive, "readiness 82 of 100 is caution, and the policy stops on caution", ended(promotion.Preflight, promotion.Test)
	results["inconclusive"] = r

	r = base
	r.Outcome, r.Phases, r.Ended = promotion.Running, ended(promotion.Preflight, promotion.Test, promotion.Backup), time.Time{}
	results["running"] = r

	r = base
	r.Command, r.From, r.Outcome, r.Proof = "rollback", "", promotion.Restored, sampleProof(true)
	r.Phases = []promotion.PhaseResult{{Phase: promotion.Rollback, Status: promotion.Pass, Took: 7100}}
	results["restored"] = r

	r = failed(base)
	r.Outcome, r.Proof = promotion.RolledBack, nil
	results["unproved"] = r
	return results
}

func sampleStatus() StatusView {
	running := func(name, image, id string, up time.Duration) snapshot.Container {
		return snapshot.Container{Name: "shop-staging-" + name + "-1", Image: image, ImageID: id, State: "running", Health: "healthy", StartedAt: at.Add(-up), Revision: "3f2a9c10b7d84e5f60718293a4b5c6d7e8f90123", CPUPercent: 1.26, Memory: 14_300_000}
	}
	flapping := running("worker", "shop/worker:1", id("f1"), time.Minute)
	flapping.Health, flapping.Restarts = "unhealthy", 4
	return StatusView{
		Environment: "staging",
		Snapshot: &snapshot.Snapshot{
			Environment: "staging", Project: "shop-staging", TakenAt: at, Engine: snapshot.Engine{Name: "stage-1", Version: "20.10.24", DiskFree: 31_000_000_000, DiskTotal: 80_000_000_000},
			Services: []snapshot.Service{
				{Name: "api", Containers: []snapshot.Container{running("api", "shop/api:1", id("b1"), 50*time.Hour), running("api", "shop/api:1", id("b1"), 90*time.Minute)}},
				{Name: "db", Database: true, Containers: []snapshot.Container{{Image: "postgres:15", ImageID: id("d0"), State: "running", Health: "healthy", StartedAt: at.Add(-80 * time.Hour)}}},
				{Name: "migrate", OneShot: true, Containers: []snapshot.Container{{Image: "shop/migrate:1", ImageID: id("a1"), State: "exited", Health: "unhealthy"}}},
				{Name: "search"},
				{Name: "web", Containers: []snapshot.Container{{Image: id("c1"), ImageID: id("c1"), State: "exited", ExitCode: 137}}},
				{Name: "worker", Containers: []snapshot.Container{flapping}},
			},
			Servers: []snapshot.Server{{Service: "db", Name: "main", Version: "15.18", Databases: []snapshot.Database{{Name: "shop", Size: 8_100_000, Sessions: 3, Tables: 6}}}},
			Missing: []snapshot.Missing{{Part: "networks", Reason: "permission denied"}},
		},
		Current: &Running{ID: "20260304-050500-43", By: "ada", Since: at.Add(-67 * time.Second), Phase: promotion.Deploy, Step: "start-services"},
		History: sampleHistory(),
		Holds:   []Hold{{Release: "r-badbadbadbad", Promotion: "20260303-100000-40", Since: at, Reason: "api never became healthy"}},
	}
}

func sampleHistory() []HistoryEntry {
	return []HistoryEntry{
		{ID: "20260304-050500-43", From: "development", To: "staging", Release: "r-0a1b2c3d4e5f", Outcome: promotion.Running, Started: at, By: "ada"},
		{ID: "20260303-100000-40", From: "development", To: "staging", Release: "r-badbadbadbad", Outcome: promotion.RolledBack, Started: at, Took: 51000, By: "bob", Reason: "api never became healthy"},
		{ID: "20260301-090000-39", From: "development", To: "staging", Release: "r-111111111111", Outcome: promotion.Done, Started: at, Took: 47300, By: "ada", Restorable: true},
	}
}

func sampleBackups() []BackupEntry {
	return []BackupEntry{
		{Name: "staging-backup-20260304-050607", Path: "backups/staging-backup-20260304-050607", Environment: "staging", Promotion: "20260304-050607-42", Release: "r-111111111111", TakenAt: at, Bytes: 3_400_000, Databases: 1, Encrypted: true, Protected: true},
		{Name: "staging-backup-20260303-100000", Path: "backups/staging-backup-20260303-100000", Bytes: 120, Problem: "manifest.json: 12 bytes, expected 4096"},
	}
}
