package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/report"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status ENVIRONMENT…",
		Short: "Show services, databases, the promotion under way and the last ones",
		Example: `  promote status staging
  promote status development staging
  promote status staging --watch`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch && (a.output != "" || (a.format != "" && a.format != string(report.Text))) {
				return &usageError{"--watch shows text that changes, not one document", "leave out --format and --output, or --watch"}
			}
			d, err := a.driver("")
			if err != nil {
				return err
			}
			for _, name := range args {
				if _, err := d.Config.Environment(name); err != nil {
					return err
				}
			}
			if watch {
				return a.watch(cmd.Context(), d, args)
			}
			all, err := a.statuses(cmd.Context(), d, args)
			if err != nil {
				return err
			}
			a.close()
			if err := a.printStatuses(all); err != nil {
				return err
			}
			return a.problems(all)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on showing it, until Ctrl-C")
	return cmd
}

func (a *app) statuses(ctx context.Context, d *driver.Driver, names []string) ([]driver.Status, error) {
	done := d.View.Wait("read " + strings.Join(names, " and "))
	defer done()
	var all []driver.Status
	for _, name := range names {
		s, err := d.Status(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// problems makes an environment that could not be read a refusal, with the hint that goes with it.
func (a *app) problems(all []driver.Status) error {
	code := 0
	for _, s := range all {
		if s.Snapshot != nil {
			continue
		}
		code = promotion.Refused.Code()
		a.complain(&driver.Error{Message: s.Problem, Advice: s.Hint})
	}
	if code != 0 {
		return &ExitError{code}
	}
	return nil
}

type statusDocument struct {
	Schema       string            `json:"schema"` // promote.statuses/1
	Environments []json.RawMessage `json:"environments"`
}

// printStatuses writes one report for each environment; of several as JSON one document that holds them.
func (a *app) printStatuses(all []driver.Status) error {
	parts := make([][]byte, len(all))
	for i, s := range all {
		var err error
		if parts[i], err = a.render(report.Status(statusView(s))); err != nil {
			return err
		}
	}
	if a.format != string(report.JSON) || len(all) == 1 {
		return a.write(bytes.Join(parts, []byte("\n")))
	}
	doc := statusDocument{Schema: "promote.statuses/1"}
	for _, part := range parts {
		doc.Environments = append(doc.Environments, part)
	}
	return a.document(doc, "")
}

func statusView(s driver.Status) report.StatusView {
	v := report.StatusView{Environment: s.Environment, Snapshot: s.Snapshot, Problem: s.Problem, History: entries(s.History)}
	if c := s.Current; c != nil {
		v.Current = &report.Running{ID: c.ID, By: c.By, Since: c.Since, Phase: c.Phase, Step: c.Step}
		if c.Stands {
			v.Problem = joinedWords(v.Problem, "the agent of promotion "+c.ID+" stands still: promote recover --to "+s.Environment)
		}
	}
	for _, release := range slices.Sorted(maps.Keys(s.History.Holds)) {
		h := s.History.Holds[release]
		v.Holds = append(v.Holds, report.Hold{Release: release, Promotion: h.Promotion, Since: h.Since, Reason: h.Reason})
	}
	return v
}

func joinedWords(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// How often a watched environment is looked at without being told of a change, and how long several changes are gathered.
const (
	watchCalm     = 10 * time.Second
	watchBusy     = time.Second
	watchGathered = 300 * time.Millisecond
)

// watch shows environments until ctx ends: redrawn on a terminal, elsewhere again after every change.
func (a *app) watch(ctx context.Context, d *driver.Driver, names []string) error {
	changed := make(chan struct{}, 1)
	for _, name := range names {
		changes, err := d.Changes(ctx, name)
		if err != nil {
			return err
		}
		go func() {
			for range changes {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}()
	}
	live := a.kind().Live
	last := ""
	for {
		var all []driver.Status
		for _, name := range names {
			s, err := d.Status(ctx, name)
			if ctx.Err() != nil {
				return nil //nolint:nilerr // Ctrl-C is how watching ends
			}
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		if now := essence(all); live || now != last {
			if live {
				fmt.Fprint(a.process.Stdout, "\x1b[H\x1b[2J")
			} else if last != "" {
				fmt.Fprintln(a.process.Stdout)
			}
			if err := a.printStatuses(all); err != nil {
				return err
			}
			last = now
		}
		if !pause(ctx, changed, all) {
			return nil
		}
	}
}

// pause waits for a change, or for as long as is worth it; false when ctx has ended.
func pause(ctx context.Context, changed <-chan struct{}, all []driver.Status) bool {
	wait := watchCalm
	for _, s := range all {
		if s.Current != nil {
			wait = watchBusy
		}
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	case <-changed:
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(watchGathered):
	}
	select {
	case <-changed:
	default:
	}
	return true
}

// essence is what makes a status worth showing again: no times, no sizes.
func essence(all []driver.Status) string {
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintln(&b, s.Environment, s.Problem, len(s.History.Entries), len(s.History.Holds))
		if s.Current != nil {
			fmt.Fprintln(&b, s.Current.ID, s.Current.Phase, s.Current.Step, s.Current.Stands)
		}
		if s.Snapshot == nil {
			continue
		}
		for _, svc := range s.Snapshot.Services {
			for _, c := range svc.Containers {
				fmt.Fprintln(&b, c.Name, c.ID, c.State, c.Health, c.ImageID, c.Restarts, c.ExitCode)
			}
		}
	}
	return b.String()
}
