package fault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/step"
)

// database is the model's step.Database: one PostgreSQL server.
type database struct{ w *World }

var errDown = errors.New("connection refused")

func (d database) op(ctx context.Context, name string, effect func() error) error {
	return d.w.op(ctx, name, func() error {
		if d.w.down > 0 {
			d.w.down--
			return fmt.Errorf("%s: %w", name, errDown)
		}
		if c := d.w.Containers["db"]; c == nil || !c.Running {
			return fmt.Errorf("%s: %w", name, errDown)
		}
		return effect()
	})
}

func (d database) get(name string) (*DB, error) {
	db, ok := d.w.Databases[name]
	if !ok {
		return nil, fmt.Errorf("database %q does not exist", name)
	}
	return db, nil
}

func (d database) Close(ctx context.Context, name string) ([]string, error) {
	var ended []string
	err := d.op(ctx, "close "+name, func() error {
		db, err := d.get(name)
		if err != nil {
			return err
		}
		ended = d.w.sessions(name)
		db.Open = false
		return nil
	})
	return ended, err
}

func (d database) Open(ctx context.Context, name string) error {
	return d.op(ctx, "open "+name, func() error {
		db, err := d.get(name)
		if err != nil {
			return err
		}
		db.Open = true
		return nil
	})
}

func (d database) Fingerprint(ctx context.Context, name string, _ func(done, total int64)) (step.Fingerprint, error) {
	var f step.Fingerprint
	err := d.op(ctx, "fingerprint "+name, func() error {
		db, err := d.get(name)
		if err == nil {
			f = FingerprintOf(db)
		}
		return err
	})
	return f, err
}

// FingerprintOf reduces a database of the model.
func FingerprintOf(db *DB) step.Fingerprint {
	f := step.Fingerprint{Schema: hash(strings.Join(db.Schema, ",")), Objects: map[string]string{}, Tables: map[string]step.Table{}}
	for _, s := range db.Schema {
		f.Objects["table "+s] = s
	}
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(db.Rows)) {
		b.WriteString(k + "=" + db.Rows[k] + "\n")
	}
	f.Tables["orders"] = step.Table{Rows: int64(len(db.Rows)), Hash: hash(b.String())}
	return f
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// copyTo makes a database in two moments: it exists, and it is complete.
func (d database) copyTo(ctx context.Context, from *DB, as string) error {
	if err := d.op(ctx, "create "+as, func() error {
		if d.w.full > 0 {
			d.w.full--
			return fmt.Errorf("could not extend file of %s: %w", as, ErrNoSpace) // the server removes what it had of it
		}
		c := from.copy()
		d.w.ids++
		c.OID, c.Open, c.Copy, c.Complete, c.Swapped = d.w.ids, false, true, false, 0
		d.w.Databases[as] = c
		return nil
	}); err != nil {
		return err
	}
	return d.op(ctx, "mark "+as, func() error {
		db, err := d.get(as)
		if err != nil {
			return err
		}
		db.Complete = true
		return nil
	})
}

func (d database) Clone(ctx context.Context, name, as, _ string) (string, error) {
	db, err := d.get(name)
	if err != nil {
		return "", err
	}
	if d.w.Shape.Load {
		return "", errors.New("permission denied to copy database")
	}
	if s := d.w.sessions(name); len(s) > 0 {
		return "", fmt.Errorf("source database %q is being accessed by other users: %s", name, strings.Join(s, ", "))
	}
	if err := d.Drop(ctx, as); err != nil {
		return "", err
	}
	return "file_copy", d.copyTo(ctx, db, as)
}

func (d database) Swap(ctx context.Context, name, aside, in string) error {
	return d.op(ctx, "swap "+name, func() error {
		l, a, n := d.w.Databases[name], d.w.Databases[aside], d.w.Databases[in]
		switch {
		case l != nil && a != nil && n == nil:
			if a.Complete && a.Swapped == l.OID {
				l.Open = true
				return nil
			}
			return fmt.Errorf("there is no %q, and %q was not left by this swap", in, aside)
		case n == nil:
			return fmt.Errorf("database %q does not exist", in)
		case !n.Complete:
			return fmt.Errorf("%q is not a complete copy", in)
		case l != nil && a != nil:
			return fmt.Errorf("%q exists already", aside)
		}
		if l != nil {
			l.Open, l.Copy, l.Complete, l.Swapped = false, true, true, n.OID
			d.w.Databases[aside] = l
		}
		delete(d.w.Databases, in)
		n.Open, n.Copy, n.Complete = true, false, false
		d.w.Databases[name] = n
		return nil
	})
}

func (d database) Exists(ctx context.Context, name string) (bool, error) {
	var exists bool
	err := d.op(ctx, "exists "+name, func() error {
		_, exists = d.w.Databases[name]
		return nil
	})
	return exists, err
}

func (d database) Drop(ctx context.Context, name string) error {
	return d.op(ctx, "drop "+name, func() error {
		if db, ok := d.w.Databases[name]; ok && !db.Copy {
			return fmt.Errorf("%q is no copy", name)
		}
		delete(d.w.Databases, name)
		return nil
	})
}

func (d database) Dump(ctx context.Context, name, file string, _ func(done, total int64)) (step.Dump, error) {
	var data []byte
	if err := d.op(ctx, "dump "+name, func() error {
		db, err := d.get(name)
		if err != nil {
			return err
		}
		if !db.Open {
			return fmt.Errorf("database %q is not currently accepting connections", name)
		}
		data, err = json.Marshal(db)
		return err
	}); err != nil {
		return step.Dump{}, err
	}
	d.w.Files[file+".partial"] = data[:len(data)/2]
	d.w.tick("half a dump of " + name)
	if err := point(d).Write(file, data); err != nil {
		return step.Dump{}, err
	}
	delete(d.w.Files, file+".partial")
	return step.Dump{Raw: int64(len(data)), Size: int64(len(data)), Tables: 1, Owner: "shop"}, nil
}

func (d database) Load(ctx context.Context, file, into, _ string, _ func(done, total int64)) error {
	data, err := point(d).Read(file)
	if err != nil {
		return err
	}
	var db DB
	if err := json.Unmarshal(data, &db); err != nil {
		return err
	}
	if err := d.Drop(ctx, into); err != nil {
		return err
	}
	return d.copyTo(ctx, &db, into)
}
