package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

// Dependency is an edge of the Compose model.
type Dependency struct {
	Service   string
	Condition string // service_started, service_healthy, service_completed_successfully
}

// Service is one service of the target's Compose model, as far as planning needs it.
type Service struct {
	Name           string
	Image          string
	OneShot        bool
	Datastore      bool // keeps state that is not the application's: a database, a cache, a broker
	HasHealthcheck bool
	DependsOn      []Dependency
	Volumes        []string // names of the named volumes, as the engine knows them
	StartupTimeout time.Duration
	StopGrace      time.Duration
}

// Input is all that a plan is made from.
type Input struct {
	From, To snapshot.Snapshot
	Release  Release
	Services []Service         // the target's Compose model
	Volumes  map[string]string // named volume to snapshot or ignore
	Moves    []step.Image      // images that the target's engine lacks
	Checkout *step.MoveCheckout
	Policy   Policy
	Dump     bool // take the portable dump
	Rehearse bool // try the migration on a copy of the databases first
	ID       string
	Tool     string
	Now      time.Time
	Backup   string // name of the exported backup
	// CopyName names a copy of a database so that its server accepts the name and promote knows it again.
	CopyName func(database, kind, id string) string
	// ReplaceDatastores lets datastores be replaced like any other service.
	ReplaceDatastores bool
}

// Build makes the plan. Whatever makes the promotion impossible is returned as problems, all at once; a plan is then made
// as far as it goes, for reading only.
func Build(in Input) (Plan, []promotion.Check) {
	b := builder{in: in, plan: Plan{
		Schema: Schema, From: in.From.Environment, To: in.To.Environment, FromProject: in.From.Project, Project: in.To.Project,
		Release: in.Release, Policy: in.Policy, MadeAt: in.Now.UTC().Truncate(time.Second), Tool: in.Tool,
	}}
	b.unread()
	b.changes()
	b.databases()
	b.steps()
	b.class()
	b.room()
	b.plan.Expect(Measured{})
	return b.plan, b.problems
}

type builder struct {
	in       Input
	plan     Plan
	problems []promotion.Check
}

func (b *builder) fail(category, service, message, hint string) {
	b.problems = append(b.problems, promotion.Check{
		Category: category, Name: category, Environment: b.plan.To, Service: service, Status: promotion.Fail, Critical: true, Message: message, Hint: hint,
	})
}

func (b *builder) warn(format string, args ...any) {
	b.plan.Warnings = append(b.plan.Warnings, fmt.Sprintf(format, args...))
}

func (b *builder) image(service string) (step.Image, bool) {
	for _, i := range b.in.Release.Images {
		if i.Service == service {
			return i, true
		}
	}
	return step.Image{}, false
}

// unread makes a problem of everything that a snapshot lacks.
func (b *builder) unread() {
	for _, side := range []snapshot.Snapshot{b.in.From, b.in.To} {
		for _, m := range side.Missing {
			b.problems = append(b.problems, promotion.Check{
				Category: "snapshot", Name: m.Part, Environment: side.Environment, Status: promotion.Error, Critical: true, Message: m.Reason,
				Hint: "what cannot be read cannot be compared or brought back",
			})
		}
	}
}

// changes decides what happens to every service.
func (b *builder) changes() {
	same := true
	known := map[string]bool{}
	for _, svc := range Order(b.in.Services) {
		known[svc.Name] = true
		c := Change{Service: svc.Name}
		running, runs := b.in.To.Service(svc.Name)
		if runs && len(running.Containers) > 0 {
			c.From, c.FromName = running.Containers[0].ImageID, running.Containers[0].Image
		}
		image, promoted := b.image(svc.Name)
		if promoted {
			c.To, c.ToName = image.ID, image.Ref
		}
		switch {
		case svc.Datastore && !b.in.ReplaceDatastores:
			c.Action, c.Reason = Keep, "a datastore stays up and is not replaced"
			if !runs {
				b.fail("services", svc.Name, "the datastore does not run at the target", "start it first: docker compose up -d "+svc.Name)
			}
			if promoted && c.From != "" && c.To != c.From {
				b.warn("%s runs another image than in %s (%s there, %s here): it is kept as it is", svc.Name, b.in.From.Environment, name(image.Ref, image.ID), name(c.FromName, c.From))
			}
			c.To, c.ToName = c.From, c.FromName
		case !promoted && !runs:
			c.Action, c.Reason = Leave, "runs neither in "+b.in.From.Environment+" nor at the target"
		case !promoted && svc.OneShot:
			c.Action, c.Reason, c.To, c.ToName = Run, "a one-shot of the target alone: it keeps its image", c.From, c.FromName
		case !promoted:
			// It is stopped with the rest: it may hold sessions of the database, or addresses of what is replaced.
			c.Action, c.Reason, c.To, c.ToName = Replace, "not in "+b.in.From.Environment+": it keeps its image", c.From, c.FromName
		case svc.OneShot:
			c.Action, c.Reason = Run, "a one-shot of the release"
		case !runs:
			c.Action, c.Reason, same = Start, "new at the target", false
		case c.From == c.To:
			c.Action, c.Reason = Replace, "same image: configuration and drift are put right"
		default:
			c.Action, c.Reason, same = Replace, "another image", false
		}
		b.plan.Changes = append(b.plan.Changes, c)
	}
	for _, i := range b.in.Release.Images {
		if !known[i.Service] {
			b.warn("%s runs in %s and is not in the target's Compose files: it is not promoted", i.Service, b.in.From.Environment)
		}
	}
	for _, svc := range b.in.To.Services {
		if !known[svc.Name] {
			b.warn("%s runs at the target and is not in its Compose files: it is left alone", svc.Name)
		}
	}
	if len(b.plan.Services(Replace, Start)) == 0 {
		b.fail("services", "", "the release and the target's Compose files have no service in common", "compare `services:` of both environments' Compose files")
	}
	b.plan.Mode = "deploy"
	if same {
		b.plan.Mode = "redeploy"
	}
}

// databases checks what the plan can know of the servers: that their major versions allow a move.
func (b *builder) databases() {
	for _, to := range b.in.To.Servers {
		if to.Note != "" {
			b.warn("database server %s: %s", to.Name, to.Note)
		}
		from, ok := b.in.From.Server(to.Name)
		if !ok {
			continue
		}
		switch {
		case from.Major() > to.Major():
			b.fail("database", to.Service, fmt.Sprintf("PostgreSQL %s in %s, %s at the target: a major version is not changed by a promotion", from.Version, b.in.From.Environment, to.Version),
				"upgrade the target's server first (pg_upgrade or dump and restore)")
		case from.Major() < to.Major():
			b.warn("database server %s: PostgreSQL %s in %s, %s at the target", to.Name, from.Version, b.in.From.Environment, to.Version)
		}
	}
}

// steps writes the order of operations.
func (b *builder) steps() {
	id := b.in.ID
	add := func(name string, phase promotion.Phase, side step.Side, s step.Step) {
		b.plan.Steps = append(b.plan.Steps, step.Item{Name: name, Phase: phase, Side: side, Step: s})
	}
	stop := b.stopOrder()
	jobs, late := b.jobs()

	// backup: everything needed to finish or to undo comes to the target, nothing that runs is touched
	add("move-images", promotion.Backup, step.Driver, &step.MoveImages{Images: b.in.Moves})
	add("hold-images", promotion.Backup, step.Agent, b.hold(stop))
	add("record-release", promotion.Backup, step.Agent, &step.RecordRelease{Services: len(b.in.To.Services)})
	if b.in.Dump {
		b.each(func(server snapshot.Server, db snapshot.Database) {
			add("dump-database "+label(server, db), promotion.Backup, step.Agent, &step.DumpDatabase{Server: server.Name, Database: db.Name, Bytes: db.Size})
		})
	}
	if b.in.Rehearse && len(b.in.To.Servers) > 0 { // before anything is sealed: what fails on a copy is not tried on the real ones
		rehearse := &step.RehearseRelease{}
		b.each(func(_ snapshot.Server, db snapshot.Database) { rehearse.Bytes += max(db.Size, 0) })
		add("rehearse-release", promotion.Backup, step.Agent, rehearse)
	}
	add("seal-backup", promotion.Backup, step.Agent, &step.SealBackup{})
	if b.in.Backup != "" {
		add("export-backup", promotion.Backup, step.Driver, &step.ExportBackup{Name: b.in.Backup})
	}

	// shutdown: the application stops, then nobody writes, then the copies are taken
	add("stop-services", promotion.Shutdown, step.Agent, &step.StopServices{Services: stop})
	b.each(func(server snapshot.Server, db snapshot.Database) {
		add("close-database "+label(server, db), promotion.Shutdown, step.Agent, &step.CloseDatabase{Server: server.Name, Database: db.Name})
	})
	b.each(func(server snapshot.Server, db snapshot.Database) {
		add("fingerprint-database "+label(server, db), promotion.Shutdown, step.Agent, &step.FingerprintDatabase{Server: server.Name, Database: db.Name})
	})
	b.each(func(server snapshot.Server, db snapshot.Database) {
		way := step.Clone
		if !canClone(db) {
			way = step.Load
			b.warn("database %s: the user %s may not clone it, so a rollback restores a dump of it instead, which takes longer%s", db.Name, server.User, grants(db.Rights.Missing))
		}
		add("copy-database "+label(server, db), promotion.Shutdown, step.Agent, &step.CopyDatabase{
			Server: server.Name, Database: db.Name, Way: way, As: b.in.CopyName(db.Name, "restore", id), Aside: b.in.CopyName(db.Name, "failed", id), Bytes: db.Size,
		})
	})
	for _, v := range b.in.To.Volumes {
		if b.in.Volumes[v.Key] == "snapshot" || b.in.Volumes[v.Name] == "snapshot" {
			add("copy-volume "+v.Name, promotion.Shutdown, step.Agent, &step.CopyVolume{Volume: v.Name})
		}
	}
	for _, server := range b.in.To.Servers {
		var names []string
		for _, db := range server.Databases {
			names = append(names, db.Name, b.in.CopyName(db.Name, "failed", id))
		}
		if server.Service == "" { // others may use it too, and change their roles meanwhile
			b.warn("roles and parameters of database server %s are not covered by a rollback: it is outside the stack", server.Name)
		} else if len(names) > 0 { // last of shutdown, so that a rollback has the roles before it needs them
			add("record-globals "+server.Name, promotion.Shutdown, step.Agent, &step.RecordGlobals{Server: server.Name, Databases: names})
		}
	}
	b.volumes(stop)

	// deploy: from here on the new release may write
	if b.in.Checkout != nil {
		add("move-checkout", promotion.Deploy, step.Agent, b.in.Checkout)
	}
	b.each(func(server snapshot.Server, db snapshot.Database) {
		add("open-database "+label(server, db), promotion.Deploy, step.Agent, &step.OpenDatabase{Server: server.Name, Database: db.Name})
	})
	for _, job := range jobs {
		add("run-job "+job, promotion.Deploy, step.Agent, &step.RunJob{Service: job})
	}
	start := b.plan.Services(Replace, Start)
	unwell := b.unwell()
	add("start-services", promotion.Deploy, step.Agent, &step.StartServices{Services: append(slices.Clone(start), late...), Keep: b.plan.Services(Keep, Leave), JobsDone: jobs, Unwell: unwell})
	start = slices.DeleteFunc(start, func(s string) bool { return slices.Contains(unwell, s) })

	// verify: identity and health of everything, from inside
	add("verify-services", promotion.Verify, step.Agent, &step.VerifyServices{Want: b.want(unwell)})
	add("verify-checks", promotion.Verify, step.Agent, &step.VerifyChecks{})
	add("settle", promotion.Verify, step.Agent, &step.Settle{Services: start, For: b.in.Policy.Settle})
}

func (b *builder) each(do func(snapshot.Server, snapshot.Database)) {
	for _, server := range b.in.To.Servers {
		for _, db := range server.Databases {
			do(server, db)
		}
	}
}

func (b *builder) hold(stop []string) *step.HoldImages {
	tags := map[string]string{}
	for _, name := range stop {
		svc, _ := b.in.To.Service(name)
		for _, c := range svc.Containers {
			tags[HoldTag(b.plan.Project, name, c.ImageID)] = c.ImageID
		}
	}
	return &step.HoldImages{Tags: tags}
}

// HoldTag is the tag under which an image is kept for a rollback.
func HoldTag(project, service, imageID string) string {
	return fmt.Sprintf("promote.local/%s/%s:%s", component(project), component(service), short(imageID))
}

var componentForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)

// component is a name as a part of an image's name: itself where that is allowed, which a name that ends in a dash is not.
func component(name string) string {
	if name = strings.ToLower(name); componentForm.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return "x" + hex.EncodeToString(sum[:6])
}

// stopOrder lists the running services that will be replaced or run, dependents first.
func (b *builder) stopOrder() []string {
	var names []string
	for _, c := range b.plan.Changes {
		if svc, runs := b.in.To.Service(c.Service); runs && len(svc.Containers) > 0 && (c.Action == Replace || c.Action == Run || c.Action == Start) {
			names = append(names, c.Service)
		}
	}
	slices.Reverse(names) // changes are in the order of dependencies
	return names
}

// jobs splits the one-shots: those that need nothing but what stays up run first and are reported each; the others are left
// to Compose's own order.
func (b *builder) jobs() (early, late []string) {
	byName := map[string]Service{}
	for _, s := range b.in.Services {
		byName[s.Name] = s
	}
	action := map[string]Action{}
	for _, c := range b.plan.Changes {
		action[c.Service] = c.Action
	}
	ready := map[string]bool{}
	for _, c := range b.plan.Changes {
		if c.Action != Run {
			continue
		}
		independent := true
		for _, d := range byName[c.Service].DependsOn {
			if action[d.Service] != Keep && action[d.Service] != Leave && !ready[d.Service] {
				independent = false
			}
		}
		if independent {
			ready[c.Service] = true
			early = append(early, c.Service)
		} else {
			late = append(late, c.Service)
		}
	}
	return early, late
}

// unwell are the services that keep their image and do not run well at the target as it is: a promotion neither broke them
// nor can mend them, so nothing is asked of them.
func (b *builder) unwell() []string {
	var out []string
	for _, c := range b.plan.Changes {
		svc, _ := b.in.To.Service(c.Service)
		if c.Action != Replace || c.From != c.To {
			continue
		}
		for _, container := range svc.Containers {
			again := container.Restarts >= 3 && b.in.To.TakenAt.Sub(container.StartedAt) < time.Minute
			if container.State == "restarting" || container.State == "dead" || container.Health == "unhealthy" || again || (container.State == "exited" && container.ExitCode != 0) {
				out = append(out, c.Service)
				b.warn("%s does not run well in %s as it is (%s) and keeps its image: nothing is asked of it", c.Service, b.plan.To, strings.TrimSpace(container.State+" "+container.Health))
				break
			}
		}
	}
	return out
}

func (b *builder) want(unwell []string) []step.Want {
	timeouts := map[string]time.Duration{}
	for _, s := range b.in.Services {
		timeouts[s.Name] = s.StartupTimeout
	}
	var want []step.Want
	for _, c := range b.plan.Changes {
		if slices.Contains(unwell, c.Service) {
			continue
		}
		switch c.Action {
		case Replace, Start:
			want = append(want, step.Want{Service: c.Service, ImageID: c.To, Timeout: promotion.Milliseconds(timeouts[c.Service])})
		case Keep:
			want = append(want, step.Want{Service: c.Service, ImageID: c.From, Timeout: promotion.Milliseconds(timeouts[c.Service])})
		}
	}
	return want
}

// volumes warns of state that a rollback does not bring back.
func (b *builder) volumes(stopped []string) {
	for _, v := range b.in.To.Volumes {
		if cmp.Or(b.in.Volumes[v.Key], b.in.Volumes[v.Name]) == "snapshot" {
			for _, svc := range v.Services {
				if running, _ := b.in.To.Service(svc); !slices.Contains(stopped, svc) && slices.ContainsFunc(running.Containers, func(c snapshot.Container) bool { return c.State == "running" }) {
					b.fail("volumes", svc, fmt.Sprintf("volume %s is to be copied, and %s, which stays up, writes to it", v.Name, svc), "name it under `volumes:` as ignore, or leave it out")
				}
			}
		}
		switch cmp.Or(b.in.Volumes[v.Key], b.in.Volumes[v.Name]) {
		case "snapshot", "ignore":
			continue
		}
		for _, svc := range v.Services {
			if slices.Contains(stopped, svc) {
				b.warn("volume %s of %s is not covered by a rollback: name it under `volumes:` as snapshot or ignore", v.Name, svc)
				break
			}
		}
	}
	for _, c := range b.plan.Changes {
		if c.Action == Keep && !b.hasServer(c.Service) {
			b.warn("%s keeps state that a rollback does not bring back", c.Service)
		}
	}
}

func (b *builder) hasServer(service string) bool {
	for _, s := range b.in.To.Servers {
		if s.Service == service {
			return true
		}
	}
	return false
}

func (b *builder) class() {
	if len(b.in.To.Servers) == 0 && len(b.in.To.Missing) == 0 {
		b.plan.Class, b.plan.ClassReason = AppOnly, "the environment has no database that promote knows of"
		return
	}
	b.plan.Class = Restore
	if b.in.Rehearse {
		b.plan.ClassReason = "the rehearsal proves whether the present release runs on the migrated databases: until then a rollback goes back to the moment of shutdown"
		return
	}
	b.plan.ClassReason = "whether the release changes the schema is known when it has run: until then a rollback goes back to the moment of shutdown"
}

func canClone(db snapshot.Database) bool {
	r := db.Rights
	return r.Superuser || (r.CreateDB && r.Owner) // the right to end sessions is needed either way
}

func grants(missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	return "; it may after: " + strings.Join(missing, "; ")
}

func label(server snapshot.Server, db snapshot.Database) string {
	if server.Name == db.Name {
		return db.Name
	}
	return server.Name + "/" + db.Name
}
