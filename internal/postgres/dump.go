package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
)

// Client are the client programs, and how the server is reached from where they run.
type Client struct {
	Tools Tools
	Conn  Conn
}

// DumpInfo describes a dump: a custom-format archive of pg_dump without compression of its own, as one zstd stream.
// `zstd -d < FILE | pg_restore` restores it without this program.
type DumpInfo struct {
	Database     string        `json:"database"`
	Major        int           `json:"major"` // of server and pg_dump
	RawBytes     int64         `json:"raw_bytes"`
	Bytes        int64         `json:"bytes"`  // compressed
	SHA256       string        `json:"sha256"` // of the compressed stream
	TableData    int           `json:"table_data"`
	LargeObjects int64         `json:"large_objects"`
	Roles        []string      `json:"roles"` // that own something in it or have a privilege
	NoPublic     bool          `json:"no_public,omitempty"`
	Properties   Properties    `json:"properties"`
	Duration     time.Duration `json:"duration"`

	// Rows are the fingerprints of what a restore brings back row by row, where DumpOptions.Rows asked for them: neither
	// materialized views, which a restore makes anew, nor sequences, which no snapshot covers, nor what could not be read.
	Rows map[string]TableRows `json:"rows,omitempty"`
}

// DumpOptions say what is dumped.
type DumpOptions struct {
	Snapshot string // ID of a Snapshot of the database; without it one is taken
	Rows     bool   // fingerprint the rows too, in the same snapshot: one more reading of every table
	// Progress is called with the bytes dumped and the bytes written, at most once a second.
	Progress func(raw, written int64)
}

// Dump writes a dump of db to w. Which tables it has to hold is read from the catalog in the same snapshot, for
// VerifyDump. The database must take connections: pg_dump needs its own.
func (s *Server) Dump(ctx context.Context, c Client, db string, w io.Writer, o DumpOptions) (DumpInfo, error) {
	started := time.Now()
	info, err := s.dump(ctx, c, db, w, o)
	if err != nil {
		return DumpInfo{}, fmt.Errorf("dump %q: %w", db, err)
	}
	info.Duration = time.Since(started)
	return info, nil
}

func (s *Server) dump(ctx context.Context, c Client, db string, w io.Writer, o DumpOptions) (DumpInfo, error) {
	info := DumpInfo{Database: db, Major: s.major}
	conns, leave, err := s.enter(ctx, db, 1)
	if err != nil {
		return info, err
	}
	defer leave()
	if o.Snapshot == "" {
		if o.Snapshot, err = exportSnapshot(ctx, conns[0]); err != nil {
			return info, err
		}
	} else if err := importSnapshot(ctx, conns[0], o.Snapshot); err != nil {
		return info, err
	}
	if err := info.readContents(ctx, conns[0]); err != nil {
		return info, fmt.Errorf("read what there is to dump: %w", err)
	}
	work, err := newWorkspace(c.Tools.Dir())
	if err != nil {
		return info, err
	}
	defer work.remove()
	env, err := work.env(c.Conn)
	if err != nil {
		return info, err
	}
	pipe := work.path("dump")
	out := &countingWriter{w: w, hash: sha256.New()}
	err = readFIFO(ctx, pipe, func(ctx context.Context) error {
		return c.Tools.Run(ctx, Tool{Program: "pg_dump", Env: env, Args: []string{
			"-Fc", "-Z0", "--no-sync", "--no-password", "--lock-wait-timeout=60000", "--snapshot=" + o.Snapshot, "--file=" + pipe, dbname(db),
		}})
	}, func(r io.Reader) error {
		return compress(out, &progressReader{r: r, report: func(n int64) {
			info.RawBytes = n
			if o.Progress != nil {
				o.Progress(n, out.n.Load())
			}
		}})
	})
	if err != nil {
		return info, err
	}
	info.Bytes, info.SHA256 = out.n.Load(), hex.EncodeToString(out.hash.Sum(nil))
	if o.Rows {
		rows, err := s.RowFingerprints(ctx, db, RowOptions{Snapshot: o.Snapshot})
		if err != nil {
			return info, err
		}
		info.Rows = rows.restorable()
	}
	return info, nil
}

// restorable are the fingerprints that a restore of the same rows repeats.
func (r Rows) restorable() map[string]TableRows {
	out := map[string]TableRows{}
	for name, t := range r.Tables {
		if t.Missing == "" && !t.Derived && t.Method != sequenceMethod {
			out[name] = t
		}
	}
	return out
}

func compress(w io.Writer, r io.Reader) error {
	enc, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithEncoderCRC(true), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(enc, onlyReader{r}, make([]byte, pipeBytes)); err != nil {
		return errors.Join(err, enc.Close())
	}
	return enc.Close()
}

// readContents reads what an archive of the database of conn must hold.
func (i *DumpInfo) readContents(ctx context.Context, conn *pgx.Conn) (err error) {
	if i.Properties, err = readProperties(ctx, conn, i.Database); err != nil {
		return err
	}
	// pg_dump takes the rows of ordinary tables, of extensions only those of configuration tables.
	err = conn.QueryRow(ctx, `SELECT
		(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND `+userSchema+`
			AND (`+notMember("pg_class", "c.oid")+` OR EXISTS (SELECT 1 FROM pg_extension e WHERE c.oid = ANY (e.extconfig)))),
		(SELECT count(*) FROM pg_largeobject_metadata), to_regnamespace('public') IS NULL`).Scan(&i.TableData, &i.LargeObjects, &i.NoPublic)
	if err != nil {
		return err
	}
	// The bootstrap superuser is in no dependency.
	rows, err := conn.Query(ctx, `SELECT DISTINCT r.rolname::text FROM pg_roles r WHERE r.rolname !~ '^pg_' AND (
		r.rolname = $1 OR EXISTS (SELECT 1 FROM pg_shdepend d WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid)
		OR r.oid = 10 AND (EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relowner = 10 AND c.relpersistence <> 't' AND `+userSchema+` AND `+notMember("pg_class", "c.oid")+`)
			OR EXISTS (SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.proowner = 10 AND `+userSchema+` AND `+notMember("pg_proc", "p.oid")+`)
			OR EXISTS (SELECT 1 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typowner = 10 AND `+userSchema+` AND `+notMember("pg_type", "t.oid")+`)
			OR EXISTS (SELECT 1 FROM pg_namespace n WHERE n.nspowner = 10 AND n.nspname <> 'public' AND `+userSchema+` AND `+notMember("pg_namespace", "n.oid")+`)))
		ORDER BY 1`, i.Properties.Owner)
	if err != nil {
		return err
	}
	i.Roles, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}
