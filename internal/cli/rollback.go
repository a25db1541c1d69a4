package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
	"github.com/org/promote-action/internal/text"
)

func (a *app) rollbackCommand() *cobra.Command {
	var o driver.RollbackOptions
	cmd := &cobra.Command{
		Use:   "rollback [ID]",
		Short: "Bring the target back to the restore point of a promotion",
		Long: `Bring the target back to the restore point of a promotion: the last one that is done, or the one that is named. A named one
that is still under way is stopped and rolled back. The result is proved like a promotion: images, configuration, schema,
rows and health are compared with the restore point.

When the new release has taken writes since, a rollback to the moment of shutdown would lose them: it is refused with the
rows of each table, until --discard-writes says to lose them, or --keep-data to leave the data as it is. Where the class of the
rollback is app-only, the data stays without being asked for, and only the application goes back.`,
		Example: `  promote rollback
  promote rollback 20260304-050607-42 --discard-writes
  promote rollback --to staging --keep-data`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.ID = args[0]
			}
			if err := validID(o.ID); err != nil {
				return err
			}
			if o.KeepData && o.DiscardWrites {
				return &usageError{"--keep-data and --discard-writes exclude each other", "leave one of them out"}
			}
			if o.Force && !o.KeepData {
				return &usageError{"--force is only for --keep-data", "a rollback that loses writes is asked for with --discard-writes"}
			}
			d, err := a.driver("promotion", promotion.Rollback)
			if err != nil {
				return err
			}
			started := time.Now()
			res, err := d.Rollback(cmd.Context(), o)
			var refusal *agent.Error
			if errors.As(err, &refusal) && len(refusal.Losses) > 0 {
				a.close()
				return a.losses(refused(d, err, "rollback", o.ID, o.To, started), refusal)
			}
			if err != nil {
				return err
			}
			return a.tell(res)
		},
	}
	cmd.Flags().StringVar(&o.To, "to", "staging", "`environment` to roll back")
	cmd.Flags().BoolVar(&o.DiscardWrites, "discard-writes", false, "lose what was written since the promotion")
	cmd.Flags().BoolVar(&o.KeepData, "keep-data", false, "bring back release and configuration only")
	cmd.Flags().BoolVar(&o.Force, "force", false, "with --keep-data: although the old release is not known to work with the present schema")
	return cmd
}

func validID(id string) error {
	if id != "" && !promotion.ValidID(id) {
		return &usageError{fmt.Sprintf("%q is not the id of a promotion: one looks like 20260304-050607-42", id), "promote history lists them"}
	}
	return nil
}

// refused is the account of something that did not come to touch anything.
func refused(d *driver.Driver, err error, command, id, to string, started time.Time) promotion.Result {
	res := promotion.Result{
		Schema: report.ResultSchema, Command: command, ID: id, To: to, By: d.By, Outcome: promotion.Refused, Reason: err.Error(), Started: started.UTC(), Ended: time.Now().UTC(),
		Phases: []promotion.PhaseResult{},
	}
	if env, known := d.Config.Environments[to]; known {
		res.Project = env.Compose.Project
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		res.Next = []string{hinted.Hint()}
	}
	return res
}

// lossDocument is the refusal of a rollback that would lose rows.
type lossDocument struct {
	promotion.Result
	Losses []agent.Loss `json:"losses"`
}

// losses tells what a rollback would lose, table by table.
func (a *app) losses(res promotion.Result, refusal *agent.Error) error {
	exit := &ExitError{promotion.Refused.Code()}
	view := report.Result(withLosses(res, refusal.Losses), nil)
	if a.action != nil {
		a.action.reported(view)
	}
	switch a.format {
	case string(report.JSON):
		if err := a.document(lossDocument{res, refusal.Losses}, ""); err != nil {
			return err
		}
		return exit
	case "", string(report.Text):
	default:
		if err := a.print(view); err != nil {
			return err
		}
		return exit
	}
	kind := a.kind()
	t := &text.Table{Head: []string{"database", "table", "added", "changed", "removed", ""}, Right: []int{2, 3, 4}, Indent: 2}
	for _, l := range refusal.Losses {
		t.Add(text.S(text.Plain, l.Database), text.S(text.Strong, l.Table), rows(l, l.Added), rows(l, l.Changed), rows(l, l.Removed), text.S(text.Faint, l.Note))
	}
	lines := append([]string{kind.Style.Line(text.S(text.Strong, "written since the promotion, in rows"))}, t.Lines(kind.Style, kind.Width())...)
	if err := a.write([]byte(strings.Join(lines, "\n") + "\n")); err != nil {
		return err
	}
	a.complain(advised(refusal))
	return exit
}

// withLosses is an account with a failed check for each table that would lose rows.
func withLosses(res promotion.Result, losses []agent.Loss) promotion.Result {
	for _, l := range losses {
		res.Checks = append(res.Checks, promotion.Check{
			Category: "loss", Name: l.Database + "." + l.Table, Environment: res.To, Status: promotion.Fail,
			Message: fmt.Sprintf("%d rows added, %d changed, %d removed since the promotion %s", l.Added, l.Changed, l.Removed, l.Note),
		})
	}
	return res
}

// rows is a number of rows, empty where a note stands for it.
func rows(l agent.Loss, n int64) text.Span {
	if n == 0 && l.Note != "" {
		return text.S(text.Plain, "")
	}
	return text.S(text.Plain, fmt.Sprint(n))
}

// advised gives the refusal its hint.
func advised(e *agent.Error) error {
	return &driver.Error{Outcome: promotion.Refused, Message: "nothing was touched: " + e.Message, Advice: e.Hint}
}

func (a *app) recoverCommand() *cobra.Command {
	var to, accept string
	var force bool
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Finish or undo what an interrupted promotion left",
		Long: `Finish or undo what an interrupted promotion left: an agent that died or stands still goes on where its journal ends; a
promotion that was left between two phases, or whose rollback failed, is rolled back. With nothing left to do it says so.
It may be called at any time and as often as you like: the last step of a workflow is a good place.

When a rollback could not be finished and a person has put the target right by hand, --accept closes the promotion. The target
is looked at first: while a service is not healthy or a database is closed it is refused, until --force insists. What was done,
and who said so, is kept in the journal.`,
		Example: "  promote recover\n  promote recover --to staging --format json\n  promote recover --accept 'started web by hand from the old image'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asked := cmd.Flags().Changed("accept")
			switch {
			case asked && strings.TrimSpace(accept) == "":
				return &usageError{"--accept needs words: what was done by hand, or what was found", "promote recover --accept 'started web by hand from the old image'"}
			case force && !asked:
				return &usageError{"--force is only for --accept", "promote recover --help"}
			}
			d, err := a.driver("promotion")
			if err != nil {
				return err
			}
			started := time.Now()
			var res promotion.Result
			var found bool
			if asked {
				res, found, err = d.Accept(cmd.Context(), to, accept, force)
			} else {
				res, found, err = d.Recover(cmd.Context(), to)
			}
			if err != nil {
				return err
			}
			if found {
				return a.tell(res)
			}
			a.close()
			return a.nothing(d, to, started)
		},
	}
	cmd.Flags().StringVar(&to, "to", "staging", "`environment` to bring in order")
	cmd.Flags().StringVar(&accept, "accept", "", "close a promotion that was put right by hand; `words` say what was done")
	cmd.Flags().BoolVar(&force, "force", false, "with --accept: although the target is not in order")
	return cmd
}

// nothing tells that there was nothing to recover.
func (a *app) nothing(d *driver.Driver, to string, started time.Time) error {
	words := "nothing to recover: no promotion of " + to + " is unfinished"
	if a.format == "" || a.format == string(report.Text) {
		return a.write([]byte(words + "\n"))
	}
	res := promotion.Result{
		Schema: report.ResultSchema, Command: "recover", To: to, By: d.By, Outcome: promotion.Done, Reason: words, Started: started.UTC(), Ended: time.Now().UTC(),
		Phases: []promotion.PhaseResult{},
	}
	if env, known := d.Config.Environments[to]; known {
		res.Project = env.Compose.Project
	}
	return a.print(report.Result(res, nil))
}
