package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/report"
	"github.com/org/promote-action/internal/terminal"
)

func (a *app) logsCommand() *cobra.Command {
	var o driver.LogOptions
	var since string
	cmd := &cobra.Command{
		Use:   "logs ENVIRONMENT [SERVICE…]",
		Short: "Print what the services write",
		Long: `Print what the services of an environment write, a whole line at a time and each behind its container's name, with known
secrets masked. With --log-dir the same goes to a file dev-YYYYMMDD-HHMMSS.log there.`,
		Example: `  promote logs staging
  promote logs staging api orders --tail 50 --follow
  promote logs staging --since 10m --log-dir logs`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.format != "" && a.format != string(report.Text) {
				return &usageError{"logs are lines: they have no form " + a.format, "leave out --format"}
			}
			if o.Tail < 0 {
				return &usageError{fmt.Sprintf("--tail %d is not a number of lines", o.Tail), "write 0 for all, or a number of lines"}
			}
			var err error
			if o.Since, err = moment(since, time.Now()); err != nil {
				return err
			}
			d, err := a.driver("")
			if err != nil {
				return err
			}
			o.Services = args[1:]
			out, closeOut, err := a.logOutput()
			if err != nil {
				return err
			}
			defer closeOut()
			return d.Logs(cmd.Context(), args[0], o, out)
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "go on with what is written from now on, until Ctrl-C")
	cmd.Flags().IntVar(&o.Tail, "tail", 0, "only the last `lines` of each container; 0 is all")
	cmd.Flags().StringVar(&since, "since", "", "only from that `time` on: a duration such as 10m, or 2026-03-04T05:06:07Z")
	return cmd
}

// logOutput is where log lines go, without secrets: standard output or --output, and a file in --log-dir.
func (a *app) logOutput() (io.Writer, func(), error) {
	var writers []io.Writer
	var closers []io.Closer
	add := func(path string) error {
		file, err := terminal.OpenLog(path)
		if err != nil {
			return &usageError{err.Error(), "name another with --output or --log-dir"}
		}
		writers, closers = append(writers, file), append(closers, file)
		return nil
	}
	if a.output == "" {
		writers = append(writers, a.process.Stdout)
	} else if err := add(a.output); err != nil {
		return nil, nil, err
	}
	if a.logDir != "" {
		if err := add(filepath.Join(a.logDir, terminal.LogName("dev", time.Now()))); err != nil {
			return nil, nil, err
		}
	}
	masked := a.secrets.Writer(io.MultiWriter(writers...))
	a.printed = true
	return masked, func() {
		_ = masked.Close()
		for _, c := range closers {
			_ = c.Close()
		}
	}, nil
}

// moment reads a point in time: so long before now, or itself.
func moment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, &usageError{fmt.Sprintf("--since %q is neither a duration nor a time", s), "write 10m, 2h30m, 2026-03-04 or 2026-03-04T05:06:07Z"}
}
