package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/demo/fault"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/report"
)

// cleaning is how long the removal of a demo may take.
const cleaning = 2 * time.Minute

// demoOptions are what promote demo was asked for.
type demoOptions struct {
	size   string
	bytes  int64
	dir    string
	fault  string
	keep   bool
	remove bool
}

func (a *app) demoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Promote a sample system on this machine, then a broken release of it",
		Long: `Show a whole promotion and a whole rollback on a sample system: two environments of a small shop with a real PostgreSQL,
built from source and started on this machine's Docker engine. Release 2 is promoted; then a release that breaks is
promoted, and staging comes back as it was, with proof. In the end everything is removed again, except the account: log,
report and backup.`,
		Example: "  promote demo\n  promote demo --keep\n  promote demo --break migration-fails --size 1GB",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(a.format); err != nil {
				return err
			}
			return a.demo(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.size, "size", "4MB", "`size` of the data in staging's database: 10MB, 1GB")
	f.StringVar(&o.dir, "dir", "", "new or empty `folder` for the sample and the account; it stays (default: a temporary one)")
	f.StringVar(&o.fault, "break", string(fault.AppFailsAfterMigration), "how the broken release is broken: `fault`, one of "+faultNames())
	f.BoolVar(&o.keep, "keep", false, "leave both environments running, and say what to try next")
	f.BoolVar(&o.remove, "remove", false, "only remove what earlier demos left, those with --keep too")
	return cmd
}

func faultNames() string {
	var names []string
	for _, f := range shown() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// shown are the faults that end in a rollback. A release that ignores SIGTERM does not: it works, and only has to be killed
// by the promotion after it.
func shown() []fault.Fault {
	return slices.DeleteFunc(fault.All(), func(f fault.Fault) bool { return f == fault.IgnoresSIGTERM })
}

// check refuses what cannot be, before anything is made.
func (o *demoOptions) check(format string) error {
	switch parsed, err := report.ParseFormat(format); {
	case err != nil:
		return err
	case parsed != report.Text && parsed != report.JSON:
		return &report.FormatError{Format: format, Of: "demo", Accepted: []report.Format{report.Text, report.JSON}}
	}
	if !slices.Contains(shown(), fault.Fault(o.fault)) {
		return &usageError{fmt.Sprintf("--break %s is no fault that ends in a rollback", o.fault), "accepted are " + faultNames()}
	}
	var err error
	o.bytes, err = units.RAMInBytes(o.size)
	if err != nil || o.bytes < 1<<20 || o.bytes > 100<<30 {
		return &usageError{fmt.Sprintf("--size %s is not a size between 1MB and 100GB", o.size), "write it like 10MB or 1GB"}
	}
	if o.dir != "" {
		if entries, err := os.ReadDir(o.dir); err == nil && len(entries) > 0 {
			return &usageError{fmt.Sprintf("the folder %s is not empty", o.dir), "name a new one with --dir, or leave it out"}
		}
	}
	return nil
}

// demo runs the demo and leaves nothing behind, however it ends.
func (a *app) demo(ctx context.Context, o demoOptions) (err error) {
	// A closed terminal or pipe must not end the program before it has cleaned up.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	r := &demoRun{app: a, o: o, started: time.Now()}
	defer func() {
		if left := r.close(); left != nil {
			err = errors.Join(err, left)
		}
	}()
	if err := r.open(ctx); err != nil {
		return err
	}
	if err := r.clearOld(ctx, o.remove); err != nil {
		return err
	}
	if o.remove {
		return nil
	}
	failed := r.play(ctx)
	if ctx.Err() != nil {
		r.abandoned = true
		fmt.Fprintln(a.process.Stderr, "interrupted: removing what the demo made")
		if err := r.clean(); err != nil {
			return err
		}
		return &driver.Error{Message: "the demo was interrupted; what it made is removed"}
	}
	if o.keep {
		if err := r.keep(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	} else if err := r.clean(); err != nil {
		failed = errors.Join(failed, err)
	}
	return r.tell(failed)
}

// open connects to the engine.
func (r *demoRun) open(ctx context.Context) error {
	var err error
	if r.stack, err = openEngine(ctx); err != nil {
		return err
	}
	if r.engine, err = demo.Connect(r.stack.Host()); err != nil {
		return &driver.Error{Message: "the demo cannot run here", Err: err}
	}
	return nil
}

func (r *demoRun) close() error {
	r.app.close()
	if r.use != nil {
		r.use.Close()
	}
	if r.engine != nil {
		_ = r.engine.Close()
	}
	if r.stack != nil {
		_ = r.stack.Close()
	}
	return nil
}

// clearOld removes what killed demos left, and on request also what was left on purpose.
func (r *demoRun) clearOld(ctx context.Context, also bool) error {
	traces, err := demo.Traces(ctx, r.engine)
	if err != nil {
		return err
	}
	v, end, err := r.view()
	if err != nil {
		return err
	}
	defer end()
	n := 0
	for _, t := range traces {
		if t.Running() || t.Kept && !also {
			if also {
				v.Note("info", fmt.Sprintf("demo %s on %s still runs and is left alone", t.ID, t.Host))
			}
			continue
		}
		done := v.Wait("remove what the demo " + t.ID + " left")
		err := errors.Join(t.RemoveFiles(), t.Remove(ctx, r.engine))
		done()
		if err != nil {
			return err
		}
		n++
		v.Note("info", fmt.Sprintf("removed the demo %s of %s", t.ID, t.Since.Local().Format("2006-01-02 15:04")))
	}
	if also && n == 0 {
		v.Note("info", "no earlier demo left anything")
	}
	return nil
}

// clean removes all that this demo made; the account stays unless the demo was interrupted.
func (r *demoRun) clean() error {
	if r.trace == nil {
		return r.removeFiles()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleaning)
	defer cancel()
	began := time.Now()
	v, end, err := r.view()
	if err != nil {
		return err
	}
	defer end()
	done := v.Wait("remove both environments and all that the promotions made")
	err = r.trace.Remove(ctx, r.engine)
	if r.use != nil {
		err = errors.Join(err, r.use.RemoveNewImages(ctx, r.engine, r.before))
	}
	err = errors.Join(err, r.removeFiles())
	done()
	r.account.Took.Remove = seconds(time.Since(began))
	if err != nil {
		return &driver.Error{Message: "something of the demo is left", Err: err, Advice: r.self() + " demo --remove tries again"}
	}
	return nil
}

// largestAccount is the size up to which backups stay beside the log and the report.
const largestAccount = 100 << 20

// removeFiles removes the sample, and of an interrupted demo its account too.
func (r *demoRun) removeFiles() error {
	switch {
	case r.dir == "":
		return nil
	case r.abandoned && r.madeDir:
		return os.RemoveAll(r.dir)
	case r.abandoned:
		return emptyDir(r.dir)
	case r.o.dir != "":
		return nil // asked for by name
	}
	err := os.RemoveAll(r.shop.Dir)
	backups := filepath.Join(r.dir, "backups")
	if size := sizeOf(backups); size > largestAccount {
		r.account.Notes = append(r.account.Notes, fmt.Sprintf("the backups, %s, are removed: --dir FOLDER keeps them", units.HumanSize(float64(size))))
		err = errors.Join(err, os.RemoveAll(backups))
		for _, res := range r.account.results() {
			res.BackupPath = ""
		}
	}
	for _, empty := range []string{backups, r.dir} { // a demo that came to nothing has no account
		_ = os.Remove(empty)
	}
	return err
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

func sizeOf(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // what is gone has no size
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// keep leaves both environments running.
func (r *demoRun) keep(ctx context.Context) error {
	if r.trace == nil {
		return nil
	}
	if err := r.trace.Keep(ctx, r.engine); err != nil {
		return err
	}
	for _, env := range []demo.Environment{r.shop.Development, r.shop.Staging} {
		for _, service := range []string{"web", "api", "orders"} {
			url, err := env.URL(ctx, r.engine, service)
			if err != nil {
				continue // after a failure it may not run
			}
			r.account.URLs = append(r.account.URLs, demoURL{env.Name, service, url})
		}
	}
	promote := r.self()
	config := " --config " + r.shop.Config
	r.account.Next = []string{
		promote + " status staging" + config,
		promote + " plan" + config,
		promote + " history" + config,
		promote + " rollback --discard-writes" + config,
		promote + " demo --remove",
	}
	return nil
}

// self is how this program was called.
func (r *demoRun) self() string {
	exe, err := os.Executable()
	if err == nil && strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/promote"
	}
	if path := r.app.process.Args[0]; strings.Contains(path, string(filepath.Separator)) {
		return path
	}
	return "promote"
}
