package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
)

func (a *app) planCommand() *cobra.Command {
	var from, to, save string
	cmd := &cobra.Command{
		Use:     "plan --from ENVIRONMENT --to ENVIRONMENT",
		Short:   "Say step by step what a promotion would do; touches nothing",
		Example: "  promote plan --from development --to staging\n  promote plan --save plan.json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.driver("")
			if err != nil {
				return err
			}
			p, problems, err := d.Plan(cmd.Context(), from, to)
			if err != nil {
				return err
			}
			a.close()
			if err := a.print(report.Plan(p)); err != nil {
				return err
			}
			if len(problems) > 0 {
				for _, c := range problems {
					a.complain(&driver.Error{Message: c.Service + ": " + c.Message, Advice: c.Hint})
				}
				return &ExitError{promotion.Refused.Code()}
			}
			if save == "" {
				return nil
			}
			data, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				return err
			}
			return os.WriteFile(save, append(data, '\n'), 0o600)
		},
	}
	pairFlags(cmd, &from, &to)
	cmd.Flags().StringVar(&save, "save", "", "write the plan to a `file`, for promote run --plan")
	return cmd
}

func pairFlags(cmd *cobra.Command, from, to *string) {
	cmd.Flags().StringVar(from, "from", "development", "`environment` that runs the release")
	cmd.Flags().StringVar(to, "to", "staging", "`environment` that gets it")
}

func (a *app) runCommand() *cobra.Command {
	var o driver.RunOptions
	var phases, planFile string
	cmd := &cobra.Command{
		Use:     "run --from ENVIRONMENT --to ENVIRONMENT",
		Short:   "Promote: all seven phases, or some of them",
		Example: "  promote run --from development --to staging\n  promote run --plan plan.json\n  promote run --phase preflight,test,backup\n  promote run --id 20260304-050607-42 --phase shutdown,deploy,verify",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.Phases, err = promotion.ParsePhases(phases); err != nil {
				return &usageError{err.Error(), "promote run --help"}
			}
			if o.ID != "" && !promotion.ValidID(o.ID) {
				return &usageError{fmt.Sprintf("%q is not the id of a promotion", o.ID), "promote history lists them"}
			}
			if planFile != "" {
				if o.Plan, err = readPlan(planFile); err != nil {
					return err
				}
			}
			d, err := a.driver("promotion", o.Phases...)
			if err != nil {
				return err
			}
			res, err := d.Promote(cmd.Context(), o)
			if err != nil {
				return err
			}
			return a.tell(res)
		},
	}
	pairFlags(cmd, &o.From, &o.To)
	cmd.Flags().StringVar(&phases, "phase", "", "only these `phases`, separated by commas")
	cmd.Flags().StringVar(&o.ID, "id", "", "go on with the promotion of that `id`, or follow it")
	cmd.Flags().StringVar(&planFile, "plan", "", "run exactly the plan of that `file`, or refuse")
	cmd.Flags().BoolVar(&o.ReleaseHold, "release-hold", false, "also promote a release that is on hold since it failed")
	return cmd
}

func readPlan(path string) (*plan.Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{err.Error(), "promote plan --save FILE writes one"}
	}
	var p plan.Plan
	if err := json.Unmarshal(data, &p); err != nil || p.Schema != plan.Schema {
		return nil, &usageError{path + " is not a plan of this version", "promote plan --save FILE writes one"}
	}
	return &p, nil
}

// tell prints the account of a promotion and makes its outcome the exit code.
func (a *app) tell(res promotion.Result) error {
	res.LogPath = a.logPath
	a.writeReport(&res)
	a.close()
	if err := a.print(report.Result(res, nil)); err != nil {
		return err
	}
	code := res.Outcome.Code()
	if res.Outcome == promotion.Running {
		code = 0
	}
	if code != 0 {
		return &ExitError{code}
	}
	return nil
}

// writeReport leaves the account as a page beside the log, for everything that came to do something.
func (a *app) writeReport(res *promotion.Result) {
	if a.logPath == "" || res.Outcome == promotion.Running || res.Outcome == promotion.Locked || len(res.Phases) == 0 {
		return
	}
	path := strings.TrimSuffix(a.logPath, ".log") + ".html"
	data, err := report.Render(report.HTML, report.Result(*res, nil), report.Options{Now: time.Now()})
	if err == nil {
		err = os.WriteFile(path, []byte(a.secrets.String(string(data))), 0o600)
	}
	if err != nil {
		fmt.Fprintln(a.process.Stderr, "report:", err)
		return
	}
	res.ReportPath = path
}

func (a *app) testCommand() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use:     "test ENVIRONMENT",
		Short:   "Run the environment checks",
		Example: "  promote test development\n  promote test staging --only health,api",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := a.driver("promotion-tests")
			if err != nil {
				return err
			}
			checks, err := d.Test(cmd.Context(), args[0], only)
			if err != nil {
				return err
			}
			a.close()
			if err := a.print(report.Checks(report.ChecksView{Environment: args[0], Checks: checks})); err != nil {
				return err
			}
			if len(promotion.Blocking(checks)) > 0 {
				return &ExitError{promotion.Refused.Code()}
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "only these `categories`: health, api, database, custom")
	return cmd
}
