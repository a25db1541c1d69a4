package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/org/promote-action/internal/backup"
	"github.com/org/promote-action/internal/durable"
)

// point is a promotion's restore point: a folder of the state volume. What lies below backup/ is its portable part.
type point struct {
	dir    string
	seal   func(ctx context.Context, p point) error
	bundle *bundle
}

// bundle is the portable backup while it is being written.
type bundle struct {
	mu     sync.Mutex
	writer *backup.Writer
}

const backupDir = "backup"

func (p point) path(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

// Write implements step.Point.
func (p point) Write(name string, data []byte) error {
	path := p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}

// Read implements step.Point.
func (p point) Read(name string) ([]byte, error) { return os.ReadFile(p.path(name)) }

// Seal implements step.Point.
func (p point) Seal(ctx context.Context) error { return p.seal(ctx, p) }

// Discard implements step.Point.
func (p point) Discard(context.Context) error { return os.RemoveAll(p.dir) }

// portable is the writer of the portable backup. A backup that a predecessor began is begun again.
func (p point) portable() (*backup.Writer, error) {
	p.bundle.mu.Lock()
	defer p.bundle.mu.Unlock()
	if p.bundle.writer != nil {
		return p.bundle.writer, nil
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(p.path(backupDir)); err != nil {
		return nil, err
	}
	w, err := backup.Create(p.path(backupDir))
	if err != nil {
		return nil, err
	}
	p.bundle.writer = w
	return w, nil
}

// output is a large file of the restore point while it is written.
type output struct {
	write   func([]byte) (int, error)
	sync    func() error
	path    string
	partial string
	done    bool
}

func (o *output) Write(b []byte) (int, error) { return o.write(b) }

// commit makes the file durable and returns where it is.
func (o *output) commit() (string, error) {
	o.done = true
	return o.path, o.sync()
}

func (o *output) abort() {
	if !o.done && o.partial != "" {
		_ = os.Remove(o.partial)
	}
}

// create begins a large file.
func (p point) create(name string) (*output, error) {
	if rest, portable := strings.CutPrefix(name, backupDir+"/"); portable {
		w, err := p.portable()
		if err != nil {
			return nil, err
		}
		f, err := w.Add(rest, backup.KindDump)
		if err != nil {
			return nil, err
		}
		return &output{write: f.Write, sync: f.Close, path: filepath.Join(p.path(backupDir)+".partial", filepath.FromSlash(rest))}, nil
	}
	path := p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".partial", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &output{write: f.Write, path: path, partial: path + ".partial", sync: func() error {
		if err := f.Sync(); err != nil {
			_ = f.Close()
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		return durable.Rename(path+".partial", path)
	}}, nil
}
