package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	sdkcompose "github.com/docker/compose/v5/pkg/compose"
)

// Source says where a stack's model is read from.
type Source struct {
	Project   string   // Compose project name; "" takes the files' own or the folder's
	Directory string   // project directory; relative paths below are relative to it
	Files     []string // none: compose.yaml and its override, as Compose finds them
	EnvFiles  []string // none: .env in Directory when there is one
	Profiles  []string
	Env       map[string]string // variables for interpolation; nothing of the caller's own environment is read
}

// Model is a loaded stack. It is immutable: changes make a new one. It holds secrets.
type Model struct {
	project  *types.Project
	envFiles []string
	warnings []string
}

// Load reads the model. Errors are Compose's own, with file and line where it has them.
func Load(ctx context.Context, src Source) (*Model, error) {
	stop := warned.list()
	project, envFiles, err := load(ctx, src)
	warnings := stop()
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	m := &Model{project: project, envFiles: envFiles, warnings: warnings}
	m.decorate()
	return m, nil
}

func load(ctx context.Context, src Source) (*types.Project, []string, error) {
	abs := func(paths []string) []string {
		out := make([]string, 0, len(paths))
		for _, p := range paths {
			if src.Directory != "" && !filepath.IsAbs(p) {
				p = filepath.Join(src.Directory, p)
			}
			out = append(out, p)
		}
		return out
	}
	var env []string
	for _, k := range slices.Sorted(maps.Keys(src.Env)) {
		env = append(env, k+"="+src.Env[k])
	}
	opts, err := cli.NewProjectOptions(abs(src.Files),
		cli.WithWorkingDirectory(src.Directory),
		cli.WithEnv(env),
		cli.WithEnvFiles(abs(src.EnvFiles)...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		cli.WithDefaultProfiles(src.Profiles...),
		cli.WithName(src.Project),
		cli.WithResolvedPaths(true),
		cli.WithInterpolation(true),
		cli.WithDiscardEnvFile,
	)
	if err != nil {
		return nil, nil, err
	}
	if len(opts.ConfigPaths) == 0 {
		return nil, nil, fmt.Errorf("no compose file in %s: looked for %s", opts.WorkingDir, strings.Join(cli.DefaultFileNames, ", "))
	}
	project, err := opts.LoadProject(ctx)
	if err != nil {
		return nil, nil, err
	}
	if project.Name == "" {
		return nil, nil, errors.New("the project has no name")
	}
	var envFiles []string
	if len(src.EnvFiles) > 0 {
		envFiles = opts.EnvFiles
	}
	return project.WithoutUnnecessaryResources(), envFiles, nil
}

// decorate sets the labels by which Compose finds its containers again.
func (m *Model) decorate() {
	setComposeVersion()
	for name, s := range m.project.Services {
		s.CustomLabels = types.Labels{
			api.ProjectLabel:     m.project.Name,
			api.ServiceLabel:     name,
			api.VersionLabel:     api.ComposeVersion,
			api.WorkingDirLabel:  m.project.WorkingDir,
			api.ConfigFilesLabel: strings.Join(m.project.ComposeFiles, ","),
			api.OneoffLabel:      "False",
		}
		if len(m.envFiles) > 0 {
			s.CustomLabels[api.EnvironmentFileLabel] = strings.Join(m.envFiles, ",")
		}
		m.project.Services[name] = s
	}
}

// Project is the Compose project's name.
func (m *Model) Project() string { return m.project.Name }

// Directory is the project directory.
func (m *Model) Directory() string { return m.project.WorkingDir }

// Files are the Compose files that were read, absolute.
func (m *Model) Files() []string { return slices.Clone(m.project.ComposeFiles) }

// EnvFiles are the env files that the source named, absolute.
func (m *Model) EnvFiles() []string { return slices.Clone(m.envFiles) }

// Warnings are what Compose said about the files, such as variables that are not set and became empty.
func (m *Model) Warnings() []string { return slices.Clone(m.warnings) }

// Disabled are the services that no active profile selects.
func (m *Model) Disabled() []string { return m.project.DisabledServiceNames() }

// Hash is Compose's configuration hash of a service: a container whose label holds another is recreated.
func (m *Model) Hash(service string) (string, error) {
	s, err := m.project.GetService(service)
	if err != nil {
		return "", fmt.Errorf("compose: %w", err)
	}
	return sdkcompose.ServiceHash(s)
}

// Pin returns a model in which the named services run exactly the given image IDs (sha256:…): never pulled, never built.
func (m *Model) Pin(images map[string]string) (*Model, error) {
	p, err := m.project.WithServicesTransform(func(name string, s types.ServiceConfig) (types.ServiceConfig, error) {
		id, ok := images[name]
		if !ok {
			return s, nil
		}
		if !strings.HasPrefix(id, "sha256:") {
			return s, fmt.Errorf("service %s: %q is not an image ID: expected sha256:…", name, id)
		}
		s.Image, s.PullPolicy, s.Build = id, types.PullPolicyNever, nil
		return s, nil
	})
	if err != nil {
		return nil, fmt.Errorf("pin: %w", err)
	}
	for name := range images {
		if _, ok := p.Services[name]; !ok {
			return nil, fmt.Errorf("pin: the model has no service %s: it has %s", name, strings.Join(p.ServiceNames(), ", "))
		}
	}
	return &Model{project: p, envFiles: m.envFiles, warnings: m.warnings}, nil
}
