package fault

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

// ID is the id of the one promotion of a world.
const ID = "20260131-235959-17"

// Plan plans the promotion of the new release to the world.
func (w *World) Plan() (plan.Plan, error) {
	from := snapshot.Snapshot{Environment: "development", Project: "shop-dev"}
	to := snapshot.Snapshot{Environment: "staging", Project: "shop"}
	server := snapshot.Server{Service: "db", Name: "db", Version: "15.18", Number: 150018, User: "shop"}
	for i := range w.Shape.Databases {
		rights := snapshot.Rights{CreateDB: !w.Shape.Load, Owner: true, Signal: true}
		server.Databases = append(server.Databases, snapshot.Database{Name: dbName(i), Size: 1 << 20, Rights: rights})
	}
	if w.Shape.Databases > 0 {
		from.Servers, to.Servers = []snapshot.Server{server}, []snapshot.Server{server}
	}
	release := plan.Release{Commit: newCommit}
	var services []plan.Service
	for _, name := range slices.Sorted(maps.Keys(w.before)) {
		c := w.before[name]
		svc := plan.Service{Name: name, OneShot: c.Job, Datastore: name == "db"}
		if name != "db" {
			svc.DependsOn = []plan.Dependency{{Service: "db", Condition: "service_healthy"}}
			release.Images = append(release.Images, step.Image{Service: name, ID: newImage + name, Ref: name + ":2"})
		}
		if name == "web" {
			svc.DependsOn = append(svc.DependsOn, plan.Dependency{Service: "api", Condition: "service_healthy"})
		}
		services = append(services, svc)
		to.Services = append(to.Services, snapshot.Service{Name: name, OneShot: c.Job, Database: name == "db", Containers: []snapshot.Container{{
			ID: c.ID, Name: name, Image: name + ":1", ImageID: c.Image, State: "running",
		}}})
	}
	release.ID = release.Name()
	in := plan.Input{
		From: from, To: to, Release: release, Services: services, Policy: plan.Policy{Deadline: 60_000, KeepCopies: 1}, Dump: true, ID: ID, Tool: "test", Now: epoch,
		CopyName: func(database, kind, id string) string { return "promote." + kind + "." + id + "." + database },
	}
	if w.Shape.Volume {
		in.To.Volumes = []snapshot.Volume{{Name: volume, Key: "uploads", Services: []string{"api"}}}
		in.Volumes = map[string]string{"uploads": "snapshot"}
	}
	if w.Shape.Checkout {
		in.Checkout = &step.MoveCheckout{Path: "/srv/shop", Commit: newCommit, PreviousCommit: oldCommit, PreviousBranch: "main"}
	}
	p, problems := plan.Plan{}, []promotion.Check(nil)
	if w.Shape.Given {
		in.Release, in.Checkout = plan.Release{}, nil
		p, problems = plan.BuildRestore(in, w.given())
	} else {
		p, problems = plan.Build(in)
	}
	if len(problems) > 0 {
		return p, &step.CheckError{Checks: problems}
	}
	return p, p.Seal("")
}

// givenSchema is the schema of the databases of a backup that is restored.
const givenSchema = "0"

// given is a backup of all databases of the world.
func (w *World) given() plan.Given {
	g := plan.Given{Name: "backup-1"}
	for i := range w.Shape.Databases {
		f := FingerprintOf(givenDB())
		g.Dumps = append(g.Dumps, plan.Dump{Server: "db", Database: dbName(i), File: dbName(i) + ".dump", Schema: f.Schema, Rows: map[string]int64{"orders": 1}, Bytes: 1 << 20})
	}
	return g
}

func givenDB() *DB {
	return &DB{Open: true, Schema: []string{givenSchema}, Rows: map[string]string{"seed": "of the backup"}}
}

// send is the driver's part of a restore: the backup lies in the restore point.
func (w *World) send() {
	data, err := json.Marshal(givenDB())
	if err != nil {
		panic(err)
	}
	for i := range w.Shape.Databases {
		w.Files[step.GivenDir+"/"+dbName(i)+".dump"] = data
	}
}

// Mutating are the phases from the first mutation on.
var Mutating = []promotion.Phase{promotion.Shutdown, promotion.Deploy, promotion.Verify}
