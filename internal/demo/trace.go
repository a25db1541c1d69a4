package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/durable"
)

// A trace is a volume without data. Its labels say whose it is and where the files are.
const (
	traceLabel = "dev.promote.demo.trace" // the demo's id
	hostLabel  = "dev.promote.demo.host"
	dirLabel   = "dev.promote.demo.dir"
	lockLabel  = "dev.promote.demo.lock"
	keptLabel  = "dev.promote.demo.kept"
)

// Trace is the mark that a demo leaves on the engine before it makes anything else, and takes away last: by it a later one
// finds what a killed one left. Nothing without a trace is ever removed.
type Trace struct {
	ID    string
	Host  string // name of the machine that runs, or ran, the demo
	Dir   string // a folder that goes with it; "" where the caller named his own
	Kept  bool
	Since time.Time

	path string // of the lock that is held while the demo runs
	lock *durable.Lock
}

// Leave marks the engine for a new demo. Dir is a folder that belongs to the demo alone, or "".
func Leave(ctx context.Context, engine client.APIClient, dir string) (*Trace, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	t := &Trace{ID: strings.ToLower(rand.Text()[:5]), Host: host, Dir: dir, Since: time.Now()}
	t.path = filepath.Join(os.TempDir(), "promote-demo-"+t.ID+".lock")
	if t.lock, err = durable.TryLock(t.path); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	labels := map[string]string{Label: "1", traceLabel: t.ID, hostLabel: host, dirLabel: dir, lockLabel: t.path}
	if _, err := engine.VolumeCreate(ctx, volume.CreateOptions{Name: t.volume(), Labels: labels}); err != nil {
		t.release()
		return nil, fmt.Errorf("demo: %w", err)
	}
	return t, nil
}

func (t *Trace) volume() string { return "promote-demo-" + t.ID }

// Development is the name of the Compose project of the demo's development environment.
func (t *Trace) Development() string { return "shop-" + t.ID + "-dev" }

// Staging is the name of the Compose project of the demo's staging environment.
func (t *Trace) Staging() string { return "shop-" + t.ID + "-staging" }

// Keep lets the demo stay when this process ends, until someone asks for its removal.
func (t *Trace) Keep(ctx context.Context, engine client.APIClient) error {
	labels := map[string]string{Label: "1", keptLabel: t.ID}
	if _, err := engine.VolumeCreate(ctx, volume.CreateOptions{Name: t.volume() + "-kept", Labels: labels}); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	t.Kept = true
	t.release()
	return nil
}

func (t *Trace) release() {
	_ = t.lock.Close()
	_ = os.Remove(t.path)
}

// Running reports whether the demo's process lives. Of one on another machine it is not known, and taken to be so.
func (t *Trace) Running() bool {
	host, err := os.Hostname()
	if err != nil || host != t.Host {
		return true
	}
	if _, err := os.Stat(t.path); err != nil {
		return false
	}
	l, err := durable.TryLock(t.path)
	if errors.Is(err, durable.ErrLocked) {
		return true
	}
	_ = l.Close()
	return false
}

// Traces are the demos that the engine knows of.
func Traces(ctx context.Context, engine client.APIClient) ([]*Trace, error) {
	list, err := engine.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", Label+"=1"))})
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	kept := map[string]bool{}
	for _, v := range list.Volumes {
		kept[v.Labels[keptLabel]] = true
	}
	var traces []*Trace
	for _, v := range list.Volumes {
		id := v.Labels[traceLabel]
		if id == "" {
			continue
		}
		since, _ := time.Parse(time.RFC3339, v.CreatedAt)
		traces = append(traces, &Trace{ID: id, Host: v.Labels[hostLabel], Dir: v.Labels[dirLabel], Kept: kept[id], Since: since, path: v.Labels[lockLabel]})
	}
	return traces, nil
}

// RemoveFiles removes the folder that belongs to the demo alone.
func (t *Trace) RemoveFiles() error {
	if t.Dir == "" || !t.here() {
		return nil
	}
	return os.RemoveAll(t.Dir)
}

// Remove removes everything of the demo from the engine, the trace last. It goes on after a failure; all errors are joined.
func (t *Trace) Remove(ctx context.Context, engine client.APIClient) error {
	err := errors.Join(RemovePromoted(ctx, engine, t.Development()), RemovePromoted(ctx, engine, t.Staging()))
	if err != nil {
		return err
	}
	for _, name := range []string{t.volume() + "-kept", t.volume()} {
		err = errors.Join(err, ignoreMissing(engine.VolumeRemove(ctx, name, true)))
	}
	if t.here() {
		t.release()
	}
	return err
}

func (t *Trace) here() bool {
	host, err := os.Hostname()
	return err == nil && host == t.Host
}
