package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// RestoreOptions are what `promote restore` was asked for.
type RestoreOptions struct {
	Environment string
	Backup      string // a name in the backup folder, or a path
	Identity    string // file with private keys, for an encrypted backup
	Other       bool   // also a backup of another environment
	Release     bool   // also the release that the backup was taken of
	NoDump      bool   // without a dump of what is there now
}

// Restore puts the databases of a backup in the place of an environment's. The backup is read whole before anything is
// asked of an engine; then follows the same safety copy as in a promotion, and a failure brings everything back.
func (d *Driver) Restore(ctx context.Context, o RestoreOptions) (promotion.Result, error) {
	p := &promoting{d: d, o: RunOptions{To: o.Environment}, started: d.now()}
	defer p.end()
	res, err := p.restore(ctx, o)
	if err != nil {
		res, err = p.refused(res, err)
	}
	res.Command, res.Class = plan.ModeRestore, "" // classes are of releases
	return res, err
}

func (p *promoting) restore(ctx context.Context, o RestoreOptions) (promotion.Result, error) {
	d := p.d
	conf, err := d.Config.Environment(o.Environment)
	if err != nil {
		return promotion.Result{}, err
	}
	b, err := d.openBackup(ctx, o, conf)
	if err != nil {
		return promotion.Result{}, err
	}
	if err := p.single(ctx); err != nil {
		return promotion.Result{}, err
	}
	p.protect = append(p.protect, filepath.Base(b.Dir))
	given, err := p.wanted(ctx, b, o)
	if err != nil {
		return promotion.Result{}, err
	}
	in := p.input()
	in.Dump = in.Dump && !o.NoDump
	var problems []promotion.Check
	p.plan, problems = plan.BuildRestore(in, given)
	if err := p.hand(ctx); err != nil {
		return promotion.Result{}, err
	}
	if err := p.proved(ctx, problems); err != nil {
		return promotion.Result{}, err
	}
	for _, item := range p.plan.Of(promotion.Backup) {
		if _, ok := item.Step.(*step.SendBackup); ok {
			if err := p.own(ctx, item, func() error { return p.send(ctx, b) }); err != nil {
				return promotion.Result{}, err
			}
		}
	}
	if err := p.saveBackup(ctx); err != nil {
		return promotion.Result{}, err
	}
	res, err := p.mutate(ctx, []promotion.Phase{promotion.Shutdown, promotion.Deploy, promotion.Verify})
	return res, err
}

// openBackup finds, unlocks and reads the backup, and refuses what is damaged or belongs elsewhere.
func (d *Driver) openBackup(ctx context.Context, o RestoreOptions, conf config.Environment) (*backup.Backup, error) {
	dir, err := d.findBackup(o.Backup)
	if err != nil {
		return nil, err
	}
	no := func(err error, advice string) (*backup.Backup, error) {
		return nil, &Error{Outcome: promotion.Refused, Message: "nothing was touched", Err: err, Advice: advice}
	}
	b, err := backup.Open(dir)
	if err != nil {
		return no(err, "promote backups lists the good ones")
	}
	if err := b.For(o.Environment, conf.Compose.Project); err != nil && !o.Other {
		return no(err, "to restore it here all the same: --force-other")
	}
	if b.Encrypted() {
		ids, err := identities(o.Identity)
		if err != nil {
			return nil, err
		}
		if err := b.Unlock(ids...); err != nil {
			return no(err, "name the file with the private key of one of its recipients: --identity FILE")
		}
	}
	done := d.View.Wait("read " + filepath.Base(dir) + " and compare it with its manifest")
	err = b.Verify(ctx)
	done()
	if err != nil {
		return no(err, "promote backups lists the good ones")
	}
	if !slices.ContainsFunc(b.Manifest.Databases, func(db backup.Database) bool { return db.File != "" }) {
		return no(fmt.Errorf("%s holds no dump of a database", dir), "its configuration files are in the folder")
	}
	return b, nil
}

// findBackup is the folder of a backup: one in the backup folder by its name, or a path.
func (d *Driver) findBackup(name string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		if _, err := os.Stat(name); err != nil {
			return "", &Error{Outcome: promotion.Refused, Message: "backup", Err: err, Advice: "promote backups lists what there is"}
		}
		return filepath.Clean(name), nil
	}
	list, err := backup.List(d.Config.BackupDirectory())
	if err != nil {
		return "", err
	}
	var known []string
	for _, e := range list {
		if e.Name == name {
			return e.Path, nil
		}
		known = append(known, e.Name)
	}
	return "", &config.UnknownNameError{Kind: "backup", Name: name, Known: known}
}

func identities(file string) ([]age.Identity, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &Error{Outcome: promotion.Refused, Message: "identity", Err: err, Advice: "name a file with private keys: --identity FILE"}
	}
	ids, err := backup.ParseIdentities(data)
	if err != nil {
		return nil, &Error{Outcome: promotion.Refused, Message: file, Err: err}
	}
	return ids, nil
}

// wanted reads from the backup what the plan has to know of it.
func (p *promoting) wanted(ctx context.Context, b *backup.Backup, o RestoreOptions) (plan.Given, error) {
	m := b.Manifest
	given := plan.Given{Name: filepath.Base(b.Dir), TakenAt: m.TakenAt}
	for _, db := range m.Databases {
		if db.File == "" {
			continue
		}
		dump := plan.Dump{Server: db.Service, Database: db.Name, File: db.File, Bytes: db.Size}
		server, _ := p.s.toSnap.Server(db.Service)
		if major(db.ServerVersion) == major(server.Version) {
			dump.Schema = db.Schema // other versions describe the same objects in other words
		}
		for table, rows := range db.Rows {
			if dump.Rows == nil {
				dump.Rows, dump.Hashes = map[string]int64{}, map[string]string{}
			}
			dump.Rows[table] = rows.Count
			if dump.Schema != "" { // other versions hash the same rows to other values
				dump.Hashes[table] = rows.Hash
			}
		}
		given.Dumps = append(given.Dumps, dump)
	}
	if !o.Release {
		p.noteRelease(m)
		return given, nil
	}
	var err error
	given.Images, err = p.releaseOf(ctx, b)
	return given, err
}

// releaseOf are the images of the containers that the backup recorded, all of which have to be on the engine.
func (p *promoting) releaseOf(ctx context.Context, b *backup.Backup) (map[string]string, error) {
	no := func(format string, args ...any) (map[string]string, error) {
		return nil, &Error{Outcome: promotion.Refused, Message: fmt.Sprintf(format, args...), Advice: "leave out --release to keep the release that runs"}
	}
	if b.Manifest.Project != p.s.to.Compose.Project {
		return no("the backup's release is of project %s: its containers cannot be made in %s", b.Manifest.Project, p.s.to.Compose.Project)
	}
	in, err := b.OpenFile(step.RecordFile)
	if err != nil {
		return no("the backup holds no record of its release: %v", err)
	}
	defer in.Close()
	var record compose.Record
	if err := json.NewDecoder(in).Decode(&record); err != nil {
		return no("the backup's record of its release: %v", err)
	}
	images := map[string]string{}
	var missing []string
	for _, c := range record.Containers {
		images[c.Service] = c.ImageID
		has, err := p.s.to.Engine.HasImage(ctx, c.ImageID)
		if err != nil {
			return nil, refused(err)
		}
		if !has {
			missing = append(missing, fmt.Sprintf("%s (%s)", c.Service, short(c.ImageID)))
		}
	}
	if len(missing) > 0 {
		return no("images of the backup's release are no longer on the engine: %s", strings.Join(missing, ", "))
	}
	return images, nil
}

// noteRelease says which services run another image than when the backup was taken.
func (p *promoting) noteRelease(m *backup.Manifest) {
	var other []string
	for _, image := range m.Images {
		svc, runs := p.s.toSnap.Service(image.Service)
		if runs && len(svc.Containers) > 0 && svc.Containers[0].ImageID != image.ID && !svc.OneShot {
			other = append(other, image.Service)
		}
	}
	if len(other) > 0 {
		p.d.View.Note("warning", "the backup was taken of another release ("+strings.Join(other, ", ")+"): the services keep their images; --release brings back those of the backup")
	}
}

func major(version string) string {
	number, _, _ := strings.Cut(version, ".")
	return number
}

// send brings the backup to the target and has it verified there.
func (p *promoting) send(ctx context.Context, b *backup.Backup) error {
	in, out := io.Pipe()
	counted := &counter{w: out, told: func(n int64) {
		p.event(promotion.Event{Type: promotion.StepProgress, Phase: promotion.Backup, Step: "send-backup", Done: n, Total: b.Manifest.Size(), Unit: "bytes"})
	}}
	sent := make(chan error, 1)
	go func() {
		err := b.Send(ctx, counted, step.GivenDir)
		_ = out.CloseWithError(err)
		sent <- err
	}()
	err := p.s.toAgent.Engine.CopyTo(ctx, p.s.toAgent.ID, agent.GivenPath(p.id), in)
	_ = in.CloseWithError(err) // a sender whose receiver is gone must not wait for it
	if serr := <-sent; serr != nil && (err == nil || !errors.Is(serr, io.ErrClosedPipe)) {
		return serr
	}
	if err != nil {
		return err
	}
	return p.s.toAgent.Call(ctx, "given", agent.RunRequest{ID: p.id}, nil, nil)
}

// counter tells how much went through, once for every MiB.
type counter struct {
	w        io.Writer
	n, shown int64
	told     func(int64)
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	if c.n-c.shown >= 1<<20 {
		c.shown = c.n
		c.told(c.n)
	}
	return n, err
}
