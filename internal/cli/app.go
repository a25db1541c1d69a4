package cli

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/actions"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/redact"
	"github.com/org/promote-action/internal/report"
	"github.com/org/promote-action/internal/terminal"
)

// app is one run of the program.
type app struct {
	process Process
	secrets redact.Redactor

	configPath string
	format     string
	output     string
	logDir     string

	action  *action // where it runs as the step of one
	logPath string
	closers []func()
	printed bool // a result was written
}

func (a *app) close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		a.closers[i]()
	}
	a.closers = nil
}

func (a *app) kind() terminal.Kind    { return terminal.Detect(a.process.Stdout, a.process.Getenv) }
func (a *app) kindErr() terminal.Kind { return terminal.Detect(a.process.Stderr, a.process.Getenv) }

// root is the whole command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:                        "promote",
		Short:                      "Move a tested release from one environment to another, and give the target back when it goes wrong",
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		SilenceUsage:               true,
		Args:                       known,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.configPath, "config", "", "configuration `file` (default: .github/promote.yml, looked for upwards)")
	flags.StringVar(&a.format, "format", "text", "`form` of the result: text, json, markdown, junit or html")
	flags.StringVar(&a.output, "output", "", "write the result to a `file` instead of standard output")
	flags.StringVar(&a.logDir, "log-dir", "", "`folder` for log files (default: the working directory)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err.Error(), cmd.CommandPath() + " --help"}
	})
	root.AddCommand(a.planCommand(), a.runCommand(), a.rollbackCommand(), a.recoverCommand(), a.testCommand(), a.compareCommand(), a.statusCommand(), a.logsCommand(),
		a.backupCommand(), a.backupsCommand(), a.restoreCommand(), a.historyCommand(), a.initCommand(), a.validateCommand(), a.agentCommand(), a.versionCommand(), a.demoCommand())
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	wrapArgs(root)
	return root
}

// load reads the configuration.
func (a *app) load() (*config.Config, error) {
	path, err := a.find()
	if err != nil {
		return nil, err
	}
	return config.Load(path, a.process.Lookup)
}

// driver makes the driver for a command; its log file is named like the command's.
func (a *app) driver(logName string, phases ...promotion.Phase) (*driver.Driver, error) {
	if _, err := report.ParseFormat(a.format); err != nil {
		return nil, err
	}
	cfg, err := a.load()
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	view, err := a.view(cfg, logName, phases)
	if err != nil {
		return nil, err
	}
	d := &driver.Driver{
		Config: cfg, View: view, Executable: exe, Version: Version(), By: driver.Who(a.process.Getenv), Run: a.runName(), Redact: a.hide,
		Environ: func() []string { return a.process.Environ },
	}
	a.closers = append(a.closers, d.Close)
	return d, nil
}

// hide makes a secret known before it is used.
func (a *app) hide(secret string) {
	a.secrets.Add(secret)
	if a.action != nil {
		a.action.log.Mask(secret)
	}
}

// runName is the run in a promotion's id: the workflow's, or a random word.
func (a *app) runName() string {
	if run := a.process.Getenv("GITHUB_RUN_ID"); run != "" {
		if attempt := a.process.Getenv("GITHUB_RUN_ATTEMPT"); attempt != "" && attempt != "1" {
			run += "." + attempt
		}
		return run
	}
	var b [3]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// view shows progress on standard error, and keeps it in the log file.
func (a *app) view(cfg *config.Config, logName string, phases []promotion.Phase) (driver.View, error) {
	var views fan
	kind := a.kindErr()
	out := a.secrets.Writer(a.process.Stderr)
	a.closers = append(a.closers, func() { _ = out.Close() })
	switch {
	case a.action != nil:
		view := actions.NewView(a.action.log)
		views = append(views, view)
		a.closers = append(a.closers, func() { _ = view.Close() })
	case kind.Live:
		live := terminal.NewLive(out, kind.Width, time.Now)
		if len(phases) > 0 {
			live.Expect(phases...)
		}
		views = append(views, live)
		a.closers = append(a.closers, func() { _ = live.Close() })
	default:
		plain := terminal.NewPlain(out, 0)
		views = append(views, plain)
		a.closers = append(a.closers, func() { _ = plain.Close() })
	}
	if logName == "" {
		return views, nil
	}
	a.logPath = cfg.Settings.Log
	if a.logPath == "" {
		a.logPath = filepath.Join(a.logDir, terminal.LogName(logName, time.Now()))
	}
	file, err := terminal.OpenLog(a.logPath)
	if err != nil {
		return nil, &usageError{"log file: " + err.Error(), "name another with PROMOTION_LOG or --log-dir"}
	}
	log := a.secrets.Writer(file)
	logView := terminal.NewLogFile(log, time.Now)
	a.closers = append(a.closers, func() { _ = logView.Close(); _ = log.Close(); _ = file.Close() })
	return append(views, logView), nil
}

// fan shows everything in several views.
type fan []driver.View

func (f fan) Event(e promotion.Event) {
	for _, v := range f {
		v.Event(e)
	}
}

func (f fan) Note(level, text string) {
	for _, v := range f {
		v.Note(level, text)
	}
}

func (f fan) Wait(what string) func() {
	var ends []func()
	for _, v := range f {
		ends = append(ends, v.Wait(what))
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// print writes a report where it was asked for.
func (a *app) print(v report.View) error {
	data, err := a.render(v)
	if err != nil {
		return err
	}
	return a.write(data)
}

// render makes a report in the asked form.
func (a *app) render(v report.View) ([]byte, error) {
	if a.action != nil {
		a.action.reported(v)
	}
	format, err := report.ParseFormat(a.format)
	if err != nil {
		return nil, err
	}
	options := report.Options{Now: time.Now()}
	if format == report.Text && a.output == "" {
		kind := a.kind()
		options.Style, options.Width = kind.Style, kind.Width()
	}
	return report.Render(format, v, options)
}

// write writes a result to where it was asked for, without secrets.
func (a *app) write(data []byte) error {
	text := a.secrets.String(string(data))
	a.printed = true
	if a.action != nil {
		a.action.said.WriteString(text)
	}
	if a.output != "" {
		if err := os.WriteFile(a.output, []byte(text), 0o644); err != nil {
			return &usageError{err.Error(), "name a file that can be written with --output"}
		}
		return nil
	}
	if _, err := io.WriteString(a.process.Stdout, text); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}
