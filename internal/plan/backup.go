package plan

import (
	"fmt"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

// Modes of plans that promote nothing; see Plan.Mode.
const (
	ModeBackup  = "backup"  // a backup of one environment, which goes on running
	ModeRestore = "restore" // the databases of a backup put in the place of those that are there
)

// Has reports whether the plan consists of the phase at all: a backup and a restore have no use for some.
func (p Plan) Has(phase promotion.Phase) bool {
	switch p.Mode {
	case ModeBackup:
		return phase == promotion.Preflight || phase == promotion.Backup
	case ModeRestore:
		return phase != promotion.Test
	default:
		return true
	}
}

// BuildBackup makes the plan of a backup of in.To that is asked for by itself: the backup phase of a promotion, and nothing
// that touches what runs.
func BuildBackup(in Input) Plan {
	b := alone(in, ModeBackup)
	b.in.Dump = true
	b.saving(nil)
	b.plan.Class, b.plan.ClassReason = AppOnly, "nothing that runs is touched"
	b.room()
	b.plan.Expect(Measured{})
	b.plan.Estimate.Disk -= b.data() // no copy is made beside the dump
	return b.plan
}

// alone begins a plan for one environment.
func alone(in Input, mode string) *builder {
	return &builder{in: in, plan: Plan{
		Schema: Schema, To: in.To.Environment, Project: in.To.Project, Mode: mode, Policy: in.Policy, MadeAt: in.Now.UTC().Truncate(time.Second), Tool: in.Tool,
	}}
}

// saving adds the backup phase of a plan that moves no images; after are the driver's steps before the seal.
func (b *builder) saving(after []step.Item) {
	add := func(name string, side step.Side, s step.Step) {
		b.plan.Steps = append(b.plan.Steps, step.Item{Name: name, Phase: promotion.Backup, Side: side, Step: s})
	}
	if stop := b.stopOrder(); len(stop) > 0 {
		add("hold-images", step.Agent, b.hold(stop))
	}
	add("record-release", step.Agent, &step.RecordRelease{Services: len(b.in.To.Services)})
	if b.in.Dump {
		b.each(func(server snapshot.Server, db snapshot.Database) {
			add("dump-database "+label(server, db), step.Agent, &step.DumpDatabase{Server: server.Name, Database: db.Name, Bytes: db.Size})
		})
	}
	b.plan.Steps = append(b.plan.Steps, after...)
	add("seal-backup", step.Agent, &step.SealBackup{})
	add("export-backup", step.Driver, &step.ExportBackup{Name: b.in.Backup})
}

// data is the size of all databases.
func (b *builder) data() int64 {
	var sum int64
	b.each(func(_ snapshot.Server, db snapshot.Database) { sum += db.Size })
	return sum
}

// Dump is a database of a backup that is to be restored.
type Dump struct {
	Server   string // as the backup calls it
	Database string
	File     string // within the backup
	Schema   string // fingerprint; empty where it cannot be compared
	Rows     map[string]int64
	Hashes   map[string]string // of the rows of each table; of those that cannot be compared there is none
	Bytes    int64             // of the database when it was dumped
}

// Given is a backup that is to be restored.
type Given struct {
	Name    string
	TakenAt time.Time
	Dumps   []Dump
	Images  map[string]string // service to image id of the backup's release; nil: the release that runs stays
}

// BuildRestore makes the plan that puts the databases of a backup in the place of those of in.To. What is there now is kept
// aside by a rename, so that a failure brings it back at once, untouched.
func BuildRestore(in Input, given Given) (Plan, []promotion.Check) {
	b := alone(in, ModeRestore)
	b.standing(given)
	pairs := b.pairs(given)
	b.restoring(given, pairs)
	b.plan.Class, b.plan.ClassReason = Restore, "a rollback brings back the databases that are there now; what is written after the restore is lost then"
	b.room()
	b.plan.Expect(Measured{})
	for _, p := range pairs {
		b.plan.Estimate.Disk += p.dump.Bytes / 2 // the dump that is sent; the database itself is counted as the copy
	}
	return b.plan, b.problems
}

// standing says what happens to the services: those that may hold sessions are stopped and started again.
func (b *builder) standing(given Given) {
	for _, svc := range Order(b.in.Services) {
		running, runs := b.in.To.Service(svc.Name)
		c := Change{Service: svc.Name, Action: Leave, Reason: "does not run"}
		if runs && len(running.Containers) > 0 {
			c.From, c.FromName = running.Containers[0].ImageID, running.Containers[0].Image
			c.To, c.ToName = c.From, c.FromName
			switch {
			case svc.Datastore:
				c.Action, c.Reason = Keep, "a datastore stays up"
			case svc.OneShot || running.OneShot:
				c.Reason = "a one-shot is not run again"
			default:
				c.Action, c.Reason = Replace, "stopped while the databases are replaced"
				if id, ok := given.Images[svc.Name]; ok {
					c.To, c.ToName, c.Reason = id, "", "stopped, and made again from the backup's release"
				}
			}
		}
		b.plan.Changes = append(b.plan.Changes, c)
	}
}

type pair struct {
	dump   Dump
	server snapshot.Server
	db     snapshot.Database
}

// pairs finds the database that each dump replaces: of the same name on the server of the same name, or on the only one.
func (b *builder) pairs(given Given) []pair {
	var out []pair
	for _, dump := range given.Dumps {
		server, found := b.in.To.Server(dump.Server)
		if !found && len(b.in.To.Servers) == 1 {
			server, found = b.in.To.Servers[0], true
		}
		if !found {
			b.fail("database", "", fmt.Sprintf("the backup holds database %s of server %s, which the environment does not have", dump.Database, dump.Server), "see databases in the configuration")
			continue
		}
		at := -1
		for i, db := range server.Databases {
			if db.Name == dump.Database {
				at = i
			}
		}
		if at < 0 {
			b.fail("database", server.Service, fmt.Sprintf("there is no database %s on server %s", dump.Database, server.Name), "make an empty one of that name: it is replaced and kept aside")
			continue
		}
		out = append(out, pair{dump, server, server.Databases[at]})
	}
	b.each(func(server snapshot.Server, db snapshot.Database) {
		for _, p := range out {
			if p.server.Name == server.Name && p.db.Name == db.Name {
				return
			}
		}
		b.warn("database %s is not in the backup: it stays as it is", label(server, db))
	})
	return out
}

func (b *builder) restoring(given Given, pairs []pair) {
	add := func(name string, phase promotion.Phase, s step.Step) {
		b.plan.Steps = append(b.plan.Steps, step.Item{Name: name, Phase: phase, Side: step.Agent, Step: s})
	}
	stop := b.stopOrder()
	b.saving([]step.Item{{Name: "send-backup", Phase: promotion.Backup, Side: step.Driver, Step: &step.SendBackup{Name: given.Name}}})
	add("stop-services", promotion.Shutdown, &step.StopServices{Services: stop})
	for _, p := range pairs {
		add("close-database "+label(p.server, p.db), promotion.Shutdown, &step.CloseDatabase{Server: p.server.Name, Database: p.db.Name})
	}
	for _, p := range pairs {
		add("fingerprint-database "+label(p.server, p.db), promotion.Shutdown, &step.FingerprintDatabase{Server: p.server.Name, Database: p.db.Name})
	}
	for _, v := range b.in.To.Volumes {
		if b.in.Volumes[v.Key] == "snapshot" || b.in.Volumes[v.Name] == "snapshot" {
			add("copy-volume "+v.Name, promotion.Shutdown, &step.CopyVolume{Volume: v.Name})
		}
	}
	for _, p := range pairs {
		if p.dump.Schema != "" && p.dump.Schema != p.db.SchemaHash && given.Images == nil {
			b.warn("database %s has another schema in the backup than now: the release that runs has to work with it, and its one-shots are not run again", p.db.Name)
		}
		add("load-database "+label(p.server, p.db), promotion.Deploy, &step.LoadDatabase{
			Server: p.server.Name, Database: p.db.Name, Backup: given.Name, File: step.GivenDir + "/" + p.dump.File, Schema: p.dump.Schema, Rows: p.dump.Rows, Hashes: p.dump.Hashes, Bytes: max(p.dump.Bytes, 1),
			As: b.in.CopyName(p.db.Name, "load", b.in.ID), Aside: b.in.CopyName(p.db.Name, "replaced", b.in.ID),
		})
	}
	restart := &step.RestartServices{Services: stop}
	if given.Images != nil {
		restart.Record = step.GivenDir + "/" + step.RecordFile
	}
	add("restart-services", promotion.Deploy, restart)
	add("verify-services", promotion.Verify, &step.VerifyServices{Want: b.want(nil)})
	add("verify-checks", promotion.Verify, &step.VerifyChecks{})
	add("settle", promotion.Verify, &step.Settle{Services: stop, For: b.in.Policy.Settle})
}
