package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/step"
)

// database makes a PostgreSQL server a step.Database.
type database struct {
	found databaseServer
	pg    *postgres.Server
	tools postgres.Tools
	point point
}

// Close implements step.Database.
func (d *database) Close(ctx context.Context, name string) ([]string, error) {
	sessions, err := d.pg.Quiesce(ctx, name, postgres.QuiesceOptions{})
	var lines []string
	for _, s := range sessions.Terminated {
		lines = append(lines, s.String())
	}
	return lines, err
}

// Open implements step.Database.
func (d *database) Open(ctx context.Context, name string) error { return d.pg.Reopen(ctx, name) }

// Fingerprint implements step.Database.
func (d *database) Fingerprint(ctx context.Context, name string, progress func(done, total int64)) (step.Fingerprint, error) {
	schema, err := d.pg.SchemaFingerprint(ctx, name)
	if err != nil {
		return step.Fingerprint{}, err
	}
	rows, err := d.pg.RowFingerprints(ctx, name, postgres.RowOptions{Progress: func(done, total int) { progress(int64(done), int64(total)) }})
	if err != nil {
		return step.Fingerprint{}, err
	}
	f := step.Fingerprint{Schema: schema.Hash, Objects: schema.Objects, Tables: map[string]step.Table{}}
	for table, r := range rows.Tables {
		f.Tables[table] = step.Table{Rows: r.Count, Hash: r.Hash, Derived: r.Derived, Missing: r.Missing}
	}
	return f, nil
}

// Clone implements step.Database.
func (d *database) Clone(ctx context.Context, name, as, promotion string) (string, error) {
	r, err := d.pg.Clone(ctx, name, as, postgres.CloneOptions{ID: promotion})
	return r.String(), err
}

// Swap implements step.Database.
func (d *database) Swap(ctx context.Context, name, aside, in string) error {
	return d.pg.Swap(ctx, name, aside, in)
}

// Exists implements step.Database.
func (d *database) Exists(ctx context.Context, name string) (bool, error) {
	return d.pg.Exists(ctx, name)
}

// Drop implements step.Database.
func (d *database) Drop(ctx context.Context, name string) error { return d.pg.Drop(ctx, name) }

// Dump implements step.Database. The dump counts only when all of it has been decoded again.
func (d *database) Dump(ctx context.Context, name, file string, progress func(done, total int64)) (step.Dump, error) {
	out, err := d.point.create(file)
	if err != nil {
		return step.Dump{}, err
	}
	defer out.abort()
	info, err := d.pg.Dump(ctx, d.client(), name, out, postgres.DumpOptions{
		Rows: strings.HasPrefix(file, backupDir+"/"), Progress: func(raw, _ int64) { progress(raw, 0) },
	})
	if err != nil {
		return step.Dump{}, err
	}
	written, err := out.commit()
	if err != nil {
		return step.Dump{}, err
	}
	in, err := os.Open(written)
	if err != nil {
		return step.Dump{}, err
	}
	defer in.Close()
	if _, err := postgres.VerifyDump(ctx, d.tools, in, info); err != nil {
		return step.Dump{}, fmt.Errorf("the dump is not usable: %w", err)
	}
	data, err := json.Marshal(info)
	if err != nil {
		return step.Dump{}, err
	}
	if err := d.point.Write(infoFile(file), data); err != nil {
		return step.Dump{}, err
	}
	return step.Dump{
		Raw: info.RawBytes, Size: info.Bytes, SHA256: info.SHA256, Tables: info.TableData, Tool: fmt.Sprint(info.Major), ServerInfo: fmt.Sprint(info.Major),
		Owner: info.Properties.Owner, Encoding: info.Properties.Encoding, Collate: info.Properties.Collate, CType: info.Properties.CType,
	}, nil
}

func infoFile(file string) string { return "dumps/" + strings.ReplaceAll(file, "/", "_") + ".json" }

// client is how the server's own programs reach it: from inside its container's network.
func (d *database) client() postgres.Client {
	conn := d.found.conn
	if d.found.container.ID != "" {
		conn.Host = "127.0.0.1"
	}
	return postgres.Client{Tools: d.tools, Conn: conn}
}

// Load implements step.Database.
func (d *database) Load(ctx context.Context, file, into, promotion string, progress func(done, total int64)) error {
	info, err := d.point.dumpInfo(file)
	if err != nil {
		return err
	}
	in, err := os.Open(d.point.path(file))
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = d.pg.Restore(ctx, d.client(), in, into, postgres.RestoreOptions{
		Info: info, ID: promotion, Jobs: runtime.NumCPU(), Progress: func(raw int64) { progress(raw, info.RawBytes) },
	})
	return err
}
