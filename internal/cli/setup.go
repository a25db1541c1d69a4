package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/driver"
	"github.com/org/promote-action/internal/durable"
	"github.com/org/promote-action/internal/text"
)

type initDocument struct {
	Schema string `json:"schema"` // promote.init/1
	Path   string `json:"path"`
}

func (a *app) initCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a configuration for the Compose files in a folder",
		Long: `Write .github/promote.yml for the Compose files in a folder (the working directory) and its usual subfolders. It passes
promote validate unedited; nothing in it but the environments is required.`,
		Example: "  promote init\n  promote init ../shop --force",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				return &usageError{dir + " is not a folder", "name the folder of the Compose files: promote init DIR"}
			}
			path := filepath.Join(dir, config.DefaultPath)
			if _, err := os.Lstat(path); err == nil && !force {
				return &usageError{path + " exists already", "edit it, or write it anew with --force"}
			}
			data, err := config.Init(dir)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return &usageError{err.Error(), "name a folder that can be written to"}
			}
			if err := durable.WriteFile(path, data, 0o644); err != nil {
				return &usageError{err.Error(), "name a folder that can be written to"}
			}
			return a.document(initDocument{"promote.init/1", path}, "wrote "+path+"\nnext: promote validate, then promote plan --from development --to staging\n")
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a configuration that is there")
	return cmd
}

// validateDocument is what validate found.
type validateDocument struct {
	Schema       string            `json:"schema"` // promote.validate/1
	Path         string            `json:"path"`
	Valid        bool              `json:"valid"`
	Problems     config.Problems   `json:"problems"`
	Environments []environmentInfo `json:"environments"`
}

type environmentInfo struct {
	Name      string   `json:"name"`
	Project   string   `json:"project,omitempty"`
	Host      string   `json:"host,omitempty"`
	Services  []string `json:"services,omitempty"`
	Jobs      []string `json:"jobs,omitempty"`
	Databases []string `json:"databases,omitempty"`
	Disabled  []string `json:"disabled,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Problem   string   `json:"problem,omitempty"`
}

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and the Compose files that it names; asks no engine",
		Long: `Check the configuration: every problem at once, with its line, and what would be accepted. The Compose files of each
environment are loaded as well, with their variables. No engine is asked and nothing is touched.`,
		Example: "  promote validate\n  promote validate --config deploy/promote.yml --format json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := a.find()
			if err != nil {
				return err
			}
			doc := validateDocument{Schema: "promote.validate/1", Path: path, Problems: config.Problems{}, Environments: []environmentInfo{}}
			cfg, err := config.Validate(path, a.process.Lookup)
			if !errors.As(err, &doc.Problems) && err != nil {
				return err
			}
			if err == nil {
				d := &driver.Driver{Config: cfg, Environ: func() []string { return a.process.Environ }, Redact: a.hide}
				doc.inspect(cmd.Context(), d)
			}
			doc.Valid = len(doc.Problems) == 0
			for _, e := range doc.Environments {
				doc.Valid = doc.Valid && e.Problem == ""
			}
			if err := a.document(doc, doc.text()); err != nil {
				return err
			}
			if !doc.Valid {
				if a.action != nil {
					a.action.problems = doc.Problems
				}
				return &ExitError{2}
			}
			return nil
		},
	}
}

// inspect loads the Compose models; what is wrong with one does not hide what is wrong with another.
func (v *validateDocument) inspect(ctx context.Context, d *driver.Driver) {
	for _, name := range d.Config.EnvironmentNames() {
		i, err := d.Inventory(ctx, name)
		e := environmentInfo{
			Name: name, Project: i.Project, Host: i.Host, Services: i.Services, Jobs: i.Jobs, Databases: i.Databases, Disabled: i.Disabled, Warnings: i.Warnings,
		}
		var problems config.Problems
		switch {
		case errors.As(err, &problems):
			v.Problems = append(v.Problems, problems...)
		case err != nil:
			e.Problem = err.Error()
		}
		v.Environments = append(v.Environments, e)
	}
}

func (v *validateDocument) text() string {
	var b strings.Builder
	if len(v.Problems) > 0 {
		b.WriteString(v.Problems.Text())
	}
	for _, e := range v.Environments {
		if e.Problem != "" {
			fmt.Fprintf(&b, "%s: its Compose files cannot be loaded: %s\n  hint: docker compose config shows the same problem; variables come from env_files and the environment\n", e.Name, e.Problem)
			continue
		}
		if v.Valid {
			b.WriteString(e.text())
		}
	}
	if v.Valid {
		return v.Path + ": valid\n" + b.String()
	}
	return b.String()
}

func (e environmentInfo) text() string {
	line := fmt.Sprintf("  %s: project %s, %s: %s", e.Name, e.Project, text.Plural(len(e.Services), "service"), strings.Join(e.Services, ", "))
	if len(e.Jobs) > 0 {
		line += "; one-shot: " + strings.Join(e.Jobs, ", ")
	}
	if len(e.Databases) > 0 {
		line += "; databases: " + strings.Join(e.Databases, ", ")
	} else {
		line += "; no database"
	}
	if len(e.Disabled) > 0 {
		line += "; off by profile: " + strings.Join(e.Disabled, ", ")
	}
	if e.Host != "" {
		line += "; on " + e.Host
	}
	line += "\n"
	for _, w := range e.Warnings {
		line += "    warning: " + w + "\n"
	}
	return line
}

// find is the configuration's path: named, or looked for upwards.
func (a *app) find() (string, error) {
	if a.configPath != "" {
		return a.configPath, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	return config.Find(dir)
}
