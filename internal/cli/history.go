package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
)

func (a *app) historyCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List the promotions of an environment, newest first",
		Example: "  promote history\n  promote history --to staging --format json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.driver("")
			if err != nil {
				return err
			}
			h, err := d.History(cmd.Context(), to)
			if err != nil {
				return err
			}
			a.close()
			if h.Error != "" {
				return &driver.Error{Outcome: promotion.Refused, Message: "the history of " + to + " cannot be read: " + h.Error}
			}
			return a.print(report.History(entries(h)))
		},
	}
	cmd.Flags().StringVar(&to, "to", "staging", "`environment` whose promotions are listed")
	return cmd
}

func entries(h agent.History) []report.HistoryEntry {
	var out []report.HistoryEntry
	for _, e := range h.Entries {
		reason := e.Reason
		if e.Error != "" {
			reason = "cannot be read: " + e.Error
		}
		if e.Command != "" && e.Command != "deploy" && e.Command != "redeploy" {
			reason = joined(e.Command, reason)
		}
		out = append(out, report.HistoryEntry{
			ID: e.ID, From: e.From, To: e.To, Release: e.Release, Outcome: e.Outcome, Started: e.Started, Took: e.Took, By: e.By, Reason: reason, Restorable: e.Restorable,
		})
	}
	return out
}

func joined(command, reason string) string {
	if reason == "" {
		return command
	}
	return fmt.Sprintf("%s: %s", command, reason)
}
