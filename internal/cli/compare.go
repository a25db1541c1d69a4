package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/terminal"
)

// keyVariable gives the key of the hashes in snapshots, so that one saved elsewhere can be compared in full.
const keyVariable = "PROMOTE_COMPARE_KEY"

// shortestKey is its least length in bytes.
const shortestKey = 16

// comparisonOptions are the flags of the command.
type comparisonOptions struct {
	driver.CompareOptions
	failBelow string
	save      string
}

func (a *app) compareCommand() *cobra.Command {
	var o comparisonOptions
	cmd := &cobra.Command{
		Use:   "compare FROM [TO]",
		Short: "Show side by side how two environments differ, and how ready a promotion is",
		Long: `Read both environments at one moment, show what differs and what a promotion would move, and say how ready it is: a score,
how much of it could be measured, and what blocks. Nothing is changed on either side.

FROM and TO are environments of the configuration, or files that --save wrote: with those a comparison works between
environments that no single machine reaches. Give both machines the same ` + keyVariable + ` (16 characters or more), else
secrets and mounted files of the two cannot be compared. With --save, TO may be left out.

Exit code: 0 ready, 7 caution or unknown, 3 not ready. --fail-below caution lets caution pass too.
--schema-drift compares nothing but the schemas: 0 equal, 3 different, 7 one could not be read.`,
		Example: `  promote compare development staging
  promote compare development staging --format html --output comparison.html
  promote compare development staging --schema-drift
  promote compare development --save development.json
  promote compare development.json staging --fail-below caution`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeSides,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.read(a, args); err != nil {
				return err
			}
			d, err := a.driver("env-comparison")
			if err != nil {
				return err
			}
			if o.To == "" {
				return a.saveSide(cmd.Context(), d, o)
			}
			return a.compare(cmd.Context(), d, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.failBelow, "fail-below", "ready", "`verdict` below which the exit code is not 0: ready or caution")
	flags.StringVar(&o.save, "save", "", "write FROM as it was read to a `file`, to be compared elsewhere")
	flags.BoolVar(&o.SchemaOnly, "schema-drift", false, "compare nothing but the schemas")
	flags.BoolVar(&o.Performance, "performance", false, "sample the endpoints of both sides too")
	flags.BoolVar(&o.Rehearse, "rehearse", false, "try the release's migration on a copy of TO's databases too")
	_ = cmd.RegisterFlagCompletionFunc("fail-below", cobra.FixedCompletions([]string{"ready", "caution"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// completeSides offers the environments of the configuration, and files.
func (a *app) completeSides(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.load()
	if err != nil || len(args) > 1 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var names []string
	for _, name := range cfg.EnvironmentNames() {
		if len(args) == 0 || name != args[0] {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveDefault
}

// read checks what was asked for, and takes the key from the environment.
func (o *comparisonOptions) read(a *app, args []string) error {
	o.From = args[0]
	if len(args) > 1 {
		o.To = args[1]
	}
	switch {
	case o.To == "" && o.save == "":
		return &usageError{"promote compare: argument TO is missing", "promote compare FROM TO; or save FROM alone: promote compare " + o.From + " --save FILE"}
	case o.From == o.To:
		return &usageError{o.From + " cannot be compared with itself", "name two environments, or a file that --save wrote"}
	case o.SchemaOnly && (o.Performance || o.Rehearse || o.save != ""):
		return &usageError{"--schema-drift compares nothing but the schemas", "leave out --performance, --rehearse and --save, or --schema-drift"}
	case o.failBelow != string(compare.Ready) && o.failBelow != string(compare.Caution):
		return &usageError{fmt.Sprintf("--fail-below %q is no verdict that can be asked for", o.failBelow), "accepted are ready and caution"}
	case o.To == "" && o.Rehearse:
		return &usageError{"--rehearse needs a target", "promote compare FROM TO --rehearse"}
	}
	if key, set := a.process.Lookup(keyVariable); set && key != "" {
		if len(key) < shortestKey {
			return &usageError{fmt.Sprintf("%s has %d characters; %d or more are needed", keyVariable, len(key), shortestKey), keyVariable + "=$(openssl rand -hex 32)"}
		}
		a.hide(key)
		o.Key = []byte(key)
	}
	return nil
}

// compare compares, tells, and makes the verdict the exit code.
func (a *app) compare(ctx context.Context, d *driver.Driver, o comparisonOptions) error {
	c, saved, err := d.Compare(ctx, o.CompareOptions)
	if err != nil {
		return err
	}
	if o.save != "" {
		if err := a.saveSnapshot(o, saved); err != nil {
			return err
		}
	}
	a.close()
	view := report.Comparison(report.ComparisonView{Comparison: c, LogPath: a.logPath})
	a.logReport(view)
	if err := a.print(view); err != nil {
		return err
	}
	if code := verdictCode(c.Verdict, o.failBelow); code != 0 {
		return &ExitError{code}
	}
	return nil
}

// verdictCode is the exit code of a verdict.
func verdictCode(v compare.Verdict, failBelow string) int {
	if v == compare.Caution && failBelow == string(compare.Caution) {
		return 0
	}
	return v.Outcome().Code()
}

func (a *app) saveSide(ctx context.Context, d *driver.Driver, o comparisonOptions) error {
	saved, err := d.Save(ctx, o.From, o.CompareOptions)
	if err != nil {
		return err
	}
	a.close()
	if err := a.saveSnapshot(o, saved); err != nil {
		return err
	}
	a.printed = true
	fmt.Fprintf(a.process.Stdout, "%s is in %s; compare it: promote compare %s TO\n", saved.Snapshot.Environment, o.save, o.save)
	return nil
}

// saveSnapshot writes a snapshot to where only the caller reads it: it holds no secret, and yet how everything is set up.
func (a *app) saveSnapshot(o comparisonOptions, saved snapshot.Saved) error {
	if saved.Snapshot.Schema == "" {
		return &driver.Error{Outcome: promotion.Refused, Message: o.From + " could not be read: there is nothing to save", Advice: "promote status " + o.From}
	}
	data, err := saved.Encode()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(o.save), filepath.Base(o.save)+".*")
	if err != nil {
		return &usageError{err.Error(), "name a file that can be written with --save"}
	}
	defer os.Remove(temporary.Name()) // by then it has its name, or is of no use
	if _, err = temporary.Write(data); err == nil {
		err = temporary.Sync()
	}
	if e := temporary.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temporary.Name(), o.save)
	}
	if err != nil {
		return &usageError{err.Error(), "name a file that can be written with --save"}
	}
	if o.Key == nil {
		fmt.Fprintf(a.process.Stderr, "note: the hashes in %s are of a key that nobody has any more: secrets and mounted files in it cannot be compared. Set %s on both machines to change that.\n", o.save, keyVariable)
	}
	return nil
}

// logReport puts the whole comparison into the log file too.
func (a *app) logReport(v report.View) {
	if a.logPath == "" {
		return
	}
	data, err := report.Render(report.Text, v, report.Options{Now: time.Now()})
	if err != nil {
		return
	}
	file, err := terminal.OpenLog(a.logPath)
	if err != nil {
		return // it could be written a moment ago; the result is told all the same
	}
	defer file.Close()
	_, _ = file.WriteString(a.secrets.String(string(data)))
}
