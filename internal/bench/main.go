// Command bench measures what promote costs against what one would do without it: the same data, the same containers, one
// run, one after the other in turns. .github/bench/run.sh builds and starts it; .github/docs/performance.md has the results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/docker/go-units"

	"github.com/org/promote-action/internal/durable"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run measures, or plays one of two parts for itself: inside, of what is timed within the database's container, and compose, of
// Docker Compose for the script that is the anchor.
func run(args []string, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	var err error
	switch {
	case len(args) > 0 && args[0] == "inside":
		err = inside(ctx, args[1:], out)
	case len(args) > 0 && args[0] == "compose":
		err = composeCommand(ctx, args[1:])
	default:
		err = measure(ctx, args, out, errs)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(errs, "bench:", err)
		return 1
	}
	return 0
}

// options are what run.sh was asked for.
type options struct {
	size    int64   // bytes of the databases that most figures are taken on
	sizes   []int64 // of the figures that depend on the size, ascending
	only    string  // database or stack; empty is both
	promote string  // the program
	script  string  // baseline.sh
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	var sizes string
	f := flag.NewFlagSet("run.sh", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&sizes, "sizes", "", "sizes of the figures that depend on it, such as 100MB,1GB,10GB (default: a tenth of SIZE, SIZE, five times SIZE)")
	f.StringVar(&o.only, "only", "", "database or stack: only the figures of copies and fingerprints, or of whole promotions")
	f.StringVar(&o.promote, "promote", "", "the program `promote`; run.sh builds it")
	f.StringVar(&o.script, "baseline", "", "the script that promotes without it")
	f.Usage = func() {
		fmt.Fprintln(errs, "usage: .github/bench/run.sh [--sizes LIST] [--only database|stack] [SIZE]")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	size := "1GB"
	if f.NArg() > 0 {
		size = f.Arg(0)
	}
	var err error
	if o.size, err = parseSize(size); err != nil {
		return o, err
	}
	o.sizes = []int64{o.size / 10, o.size, o.size * 5}
	if sizes != "" {
		o.sizes = nil
		for s := range strings.SplitSeq(sizes, ",") {
			n, err := parseSize(s)
			if err != nil {
				return o, err
			}
			o.sizes = append(o.sizes, n)
		}
	}
	if o.only != "" && o.only != "database" && o.only != "stack" {
		return o, fmt.Errorf("--only %s: accepted are database and stack", o.only)
	}
	return o, nil
}

func parseSize(s string) (int64, error) {
	n, err := units.FromHumanSize(s)
	if err != nil || n < 10e6 || n > 100e9 {
		return 0, fmt.Errorf("%q is not a size between 10MB and 100GB: write it like 500MB or 1GB", s)
	}
	return n, nil
}

// measure takes all figures and removes what it made, also when it is interrupted.
func measure(ctx context.Context, args []string, out, errs io.Writer) (err error) {
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	lock, err := durable.TryLock(filepath.Join(os.TempDir(), "promote-bench.lock"))
	if err != nil {
		return fmt.Errorf("another run measures on this machine: %w", err)
	}
	defer lock.Close()
	h, err := openHost(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	s := &sheet{out: out, log: errs}
	s.head(h, o.size)
	for _, part := range []struct {
		name string
		take func(context.Context, *host, options, *sheet) error
	}{
		{"database", databaseFigures}, // copies, fingerprints and rollback, in one server's container
		{"stack", stackFigures},       // the sample system: whole promotions, downtime, memory
	} {
		if o.only != "" && o.only != part.name {
			continue
		}
		if err := part.take(ctx, h, o, s); err != nil {
			return err
		}
	}
	return s.end()
}
