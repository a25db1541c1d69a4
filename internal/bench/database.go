package main

import (
	"context"
	"fmt"

	"github.com/docker/go-units"

	"github.com/org/promote-action/internal/demo"
)

// Lines of bash that are anchors; %[1]s is the database, %[2]s a file or folder.
const (
	dumpGzip   = "pg_dump -h 127.0.0.1 -U postgres %[1]s | gzip > %[2]s"
	dumpZstd   = "pg_dump -h 127.0.0.1 -U postgres -Fc -Z0 %[1]s | zstd -q -1 -T0 -f -o %[2]s"
	dumpFolder = "rm -rf %[2]s && pg_dump -h 127.0.0.1 -U postgres -Fd -j2 -f %[2]s %[1]s"
	restore    = "pg_restore -h 127.0.0.1 -U postgres -j2 -d %[1]s %[2]s"
)

// databaseFigures takes the figures of copies, rollback and fingerprints.
func databaseFigures(ctx context.Context, h *host, o options, s *sheet) error {
	image, err := demo.EnsurePostgres(ctx, h.api, 15, s.say)
	if err != nil {
		return err
	}
	d := databases{sheet: s, options: o}
	if d.server, err = h.startServer(ctx, image); err != nil {
		return err
	}
	for _, take := range []func(context.Context) error{d.mixed, d.single, d.bySize} {
		if err := take(ctx); err != nil {
			return err
		}
	}
	return nil
}

type databases struct {
	*server
	*sheet
	options
}

func size(n int64) string { return units.HumanSizeWithPrecision(float64(n), 3) }

func (d *databases) seed(ctx context.Context, db, kind string, bytes int64) error {
	d.say("making database %s of %s", db, size(bytes))
	t, err := d.do(ctx, "seed", db, fmt.Sprintf("%s:%d", kind, bytes))
	if err == nil {
		d.say("it has %s", size(t.Bytes))
	}
	return err
}

func (d *databases) shell(ctx context.Context, line, db, file string) (taken, error) {
	d.say(line, db, file)
	return d.do(ctx, "shell", fmt.Sprintf(line, db, file), file)
}

// pair times ours and the anchor in turns, so that both meet the same noise; a first turn that is not counted warms up.
func pair(rounds int, ours, anchor func() (taken, error)) (o, a taken, err error) {
	var os, as []float64
	for i := range rounds + 1 {
		if o, err = ours(); err != nil {
			return o, a, err
		}
		if a, err = anchor(); err != nil {
			return o, a, err
		}
		if i > 0 || rounds == 0 {
			os, as = append(os, o.Seconds), append(as, a.Seconds)
		}
	}
	o.Seconds, a.Seconds = median(os), median(as)
	return o, a, nil
}

// mixed are the figures of an ordinary database: narrow rows, documents, attachments.
func (d *databases) mixed(ctx context.Context) error {
	const db = "mixed"
	if err := d.seed(ctx, db, "mixed", d.size); err != nil {
		return err
	}
	if err := d.backups(ctx, db); err != nil {
		return err
	}
	d.say("%s: verification", db)
	v, err := d.do(ctx, "verify", db, "/dumps/ours")
	if err != nil {
		return err
	}
	d.add(figure{name: "decoding the backup again, whole", ours: v.Seconds})
	folder, err := d.copies(ctx, db)
	if err != nil {
		return err
	}
	if err := d.rollback(ctx, db, folder); err != nil {
		return err
	}
	return d.fingerprints(ctx, db)
}

func (d *databases) backups(ctx context.Context, db string) error {
	ours := func() (taken, error) {
		d.say("dump of %s", db)
		return d.do(ctx, "dump", db, "/dumps/ours")
	}
	o, a, err := pair(3, ours, func() (taken, error) { return d.shell(ctx, dumpZstd, db, "/dumps/zstd") })
	if err != nil {
		return err
	}
	gz, err := d.shell(ctx, dumpGzip, db, "/dumps/gzip")
	if err != nil {
		return err
	}
	d.add(figure{name: db + ": portable backup / pg_dump | gzip", ours: o.Seconds, anchor: gz.Seconds, goal: 1 / 5.6})
	d.add(figure{name: db + ": its size / pg_dump | gzip", ours: float64(o.Bytes) / 1e6, anchor: float64(gz.Bytes) / 1e6, goal: 1, unit: megabytes})
	d.add(figure{name: db + ": portable backup / pg_dump -Fc -Z0 | zstd -1 -T0", ours: o.Seconds, anchor: a.Seconds, goal: 1})
	return nil
}

// copies compares the clone with a parallel dump, which it leaves.
func (d *databases) copies(ctx context.Context, db string) (folder string, err error) {
	folder = "/dumps/" + db + ".d"
	a, err := d.shell(ctx, dumpFolder, db, folder)
	if err != nil {
		return folder, err
	}
	var times []float64
	for range 3 {
		d.say("clone of %s", db)
		o, err := d.do(ctx, "clone", db)
		if err != nil {
			return folder, err
		}
		times = append(times, o.Seconds)
	}
	d.add(figure{name: db + ": clone / pg_dump -Fd -j2", ours: median(times), anchor: a.Seconds, goal: 1. / 8})
	return folder, nil
}

func (d *databases) rollback(ctx context.Context, db, folder string) error {
	if _, err := d.do(ctx, "shell", "createdb -h 127.0.0.1 -U postgres restored"); err != nil {
		return err
	}
	a, err := d.shell(ctx, restore, "restored", folder)
	if err != nil {
		return err
	}
	if _, err := d.do(ctx, "shell", "dropdb -h 127.0.0.1 -U postgres restored; rm -r "+folder); err != nil {
		return err
	}
	d.say("swap of %s", db)
	o, err := d.do(ctx, "swap", db)
	if err != nil {
		return err
	}
	d.add(figure{name: db + ": rollback by swap / pg_restore -j2", ours: o.Seconds, anchor: a.Seconds, goal: 1. / 100})
	return nil
}

func (d *databases) fingerprints(ctx context.Context, db string) error {
	d.say("fingerprints of %s", db)
	o, a, err := pair(5,
		func() (taken, error) { return d.do(ctx, "fingerprint", db) },
		func() (taken, error) { return d.do(ctx, "count", db) })
	if err != nil {
		return err
	}
	d.add(figure{name: db + ": row fingerprint / parallel count(*)", ours: o.Seconds, anchor: a.Seconds, goal: 1.5})
	return nil
}

// single are the figures of a database that is one big table: pg_dump reads a table by one process.
func (d *databases) single(ctx context.Context) error {
	const db = "single"
	if err := d.seed(ctx, db, "single", d.size); err != nil {
		return err
	}
	if err := d.backups(ctx, db); err != nil {
		return err
	}
	folder, err := d.copies(ctx, db)
	if err != nil {
		return err
	}
	if _, err := d.do(ctx, "shell", "rm -r "+folder); err != nil {
		return err
	}
	return d.fingerprints(ctx, db)
}

// bySize are the figures whose growth with the database matters.
func (d *databases) bySize(ctx context.Context) error {
	if _, err := d.do(ctx, "shell", "dropdb -h 127.0.0.1 -U postgres mixed; dropdb -h 127.0.0.1 -U postgres single"); err != nil {
		return err
	}
	const db = "sized"
	if err := d.seed(ctx, db, "single", d.sizes[0]); err != nil {
		return err
	}
	var least taken
	for i, bytes := range d.sizes {
		if i > 0 {
			d.say("growing database %s to %s", db, size(bytes))
			if _, err := d.do(ctx, "grow", db, fmt.Sprint(bytes)); err != nil {
				return err
			}
		}
		d.say("restore point and swap at %s", size(bytes))
		p, err := d.do(ctx, "point", db)
		if err != nil {
			return err
		}
		d.add(figure{name: fmt.Sprintf("%s: downtime that the restore point adds", size(bytes)), ours: p.Seconds})
		w, err := d.do(ctx, "swap", db)
		if err != nil {
			return err
		}
		if i == 0 {
			least = w
			continue
		}
		// Below a millisecond or two the difference is noise: half as much again counts as no slower.
		d.add(figure{name: fmt.Sprintf("rollback by swap at %s / at %s", size(bytes), size(d.sizes[0])), ours: w.Seconds, anchor: least.Seconds, goal: 1.5})
	}
	return nil
}
