package agent

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/step"
)

// seal completes the portable backup of a promotion: configuration, record, metrics, schemas and the manifest over all.
func (s *Server) seal(ctx context.Context, r *running, p point) error {
	if _, err := backup.Open(p.path(backupDir)); err == nil {
		return nil // sealed before the agent was restarted
	}
	if c, ok := r.runner.Target.Checks.(*checks); ok {
		if err := c.Baseline(ctx); err != nil {
			return fmt.Errorf("how the environment is before the promotion: %w", err)
		}
	}
	w, err := p.portable()
	if err != nil {
		return err
	}
	env := s.environment(r.spec)
	all, err := env.containers(ctx)
	if err != nil {
		return err
	}
	snap, err := env.Read(ctx)
	if err != nil {
		return err
	}
	metrics, err := json.MarshalIndent(snap, "", "  ")
	if err != nil {
		return err
	}
	planData, err := os.ReadFile(r.folder.Plan())
	if err != nil {
		return err
	}
	record, err := p.Read(step.RecordFile)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		kind backup.Kind
		data []byte
	}{{"metrics.json", backup.KindMetrics, metrics}, {"plan.json", backup.KindRecord, planData}, {step.RecordFile, backup.KindRecord, record}} {
		if err := add(w, f.path, f.kind, f.data); err != nil {
			return err
		}
	}
	if err := addConfiguration(w, p); err != nil {
		return err
	}
	if err := env.addMounted(ctx, w, all); err != nil {
		return err
	}
	m := backup.Manifest{
		ID: r.id, Promotion: r.id, Environment: r.spec.Environment, Project: r.spec.Project, TakenAt: time.Now().UTC(), Commit: "", Release: "", ToolVersion: s.options.Version,
		Engine: backup.Engine{ID: snap.Engine.ID, Name: snap.Engine.Name, Version: snap.Engine.Version, APIVersion: snap.Engine.APIVersion, OS: snap.Engine.OS, Arch: snap.Engine.Arch},
	}
	if r.plan.Mode == plan.ModeBackup {
		m.Promotion = ""
	}
	for _, svc := range snap.Services {
		for _, c := range svc.Containers[:min(1, len(svc.Containers))] {
			m.Images = append(m.Images, backup.Image{Service: svc.Name, Ref: c.Image, ID: c.ImageID, RepoDigests: c.RepoDigests})
			m.Commit = cmp.Or(m.Commit, c.Revision)
		}
	}
	if m.Databases, err = s.dumped(ctx, w, r, p); err != nil {
		return err
	}
	b, err := w.Seal(m)
	if err != nil {
		return err
	}
	return b.Verify(ctx)
}

func add(w *backup.Writer, name string, kind backup.Kind, data []byte) error {
	f, err := w.Add(name, kind)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// addConfiguration adds the files that the driver sent.
func addConfiguration(w *backup.Writer, p point) error {
	root := p.path("configuration")
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(p.dir, file)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return add(w, filepath.ToSlash(rel), backup.KindConfiguration, data)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// mountedLimit is how much of bind-mounted files is taken for configuration, in bytes a file.
const mountedLimit = 1 << 20

// addMounted adds the small files that containers mount from the host: their configuration and secrets.
func (e *environment) addMounted(ctx context.Context, w *backup.Writer, all []engine.Container) error {
	seen := map[string]bool{}
	for _, c := range all {
		for _, m := range c.Mounts {
			if m.Type != "bind" || seen[m.Source] || strings.HasSuffix(m.Source, ".sock") {
				continue
			}
			seen[m.Source] = true
			archive, err := e.engine.CopyFrom(ctx, c.ID, m.Target)
			if err != nil {
				continue // gone, or not readable this way; it is on the host all the same
			}
			err = addFile(w, archive.Reader, path.Join("mounted", m.Source))
			archive.Close()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// addFile adds the archive when it is one small regular file.
func addFile(w *backup.Writer, archive *tar.Reader, name string) error {
	head, err := archive.Next()
	if err != nil || head.Typeflag != tar.TypeReg || head.Size > mountedLimit {
		return nil //nolint:nilerr // a folder, or too large to be configuration
	}
	data, err := io.ReadAll(archive)
	if err != nil {
		return err
	}
	return add(w, strings.TrimPrefix(name, "/"), backup.KindConfiguration, data)
}

// dumped lists the dumps of the backup with what their databases hold.
func (s *Server) dumped(ctx context.Context, w *backup.Writer, r *running, p point) ([]backup.Database, error) {
	var out []backup.Database
	for _, item := range r.plan.Steps {
		d, ok := item.Step.(*step.DumpDatabase)
		if !ok {
			continue
		}
		var dump step.Dump
		data, err := p.Read(step.DumpNote(d.Server, d.Database))
		if err != nil {
			return nil, fmt.Errorf("dump of %s: %w", d.Database, err)
		}
		if err := json.Unmarshal(data, &dump); err != nil {
			return nil, err
		}
		db, err := s.environment(r.spec).database(ctx, d.Server, p)
		if err != nil {
			return nil, err
		}
		schema, err := db.pg.SchemaFingerprint(ctx, d.Database)
		if err != nil {
			return nil, err
		}
		text, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(step.DumpFile(d.Server, d.Database), backupDir+"/")
		if err := add(w, strings.TrimSuffix(name, ".dump.zst")+".schema.json", backup.KindSchema, text); err != nil {
			return nil, err
		}
		info, err := p.Read(infoFile(step.DumpFile(d.Server, d.Database)))
		if err != nil {
			return nil, err
		}
		rows, err := dumpedRows(info)
		if err != nil {
			return nil, err
		}
		if err := add(w, strings.TrimSuffix(name, ".dump.zst")+".info.json", backup.KindSchema, info); err != nil {
			return nil, err
		}
		server, err := db.pg.Info(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, backup.Database{
			Service: d.Server, Name: d.Database, Owner: dump.Owner, Encoding: dump.Encoding, Collate: dump.Collate, CType: dump.CType, ServerVersion: server.Version,
			ToolVersion: dump.Tool, Size: d.Bytes, File: name, RawBytes: dump.Raw, Schema: schema.Hash, Rows: rows,
		})
	}
	slices.SortFunc(out, func(a, b backup.Database) int { return cmp.Compare(a.File, b.File) })
	return out, nil
}

// dumpedRows are what the manifest says of the rows in a dump.
func dumpedRows(info []byte) (map[string]backup.Rows, error) {
	var dump postgres.DumpInfo
	if err := json.Unmarshal(info, &dump); err != nil {
		return nil, err
	}
	rows := map[string]backup.Rows{}
	for table, t := range dump.Rows {
		rows[table] = backup.Rows{Count: t.Count, Hash: t.Hash, Method: t.Method}
	}
	return rows, nil
}
