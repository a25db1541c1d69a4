package compose

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	sdkcompose "github.com/docker/compose/v5/pkg/compose"
)

const modelFormat = 1

// savedModel is a model as it is written: everything resolved, nothing left to read on the machine that loads it.
type savedModel struct {
	Format      int               `json:"format"`
	Name        string            `json:"name"`
	Directory   string            `json:"directory"`
	Files       []string          `json:"files"`
	EnvFiles    []string          `json:"env_files,omitempty"`
	Profiles    []string          `json:"profiles,omitempty"`
	Disabled    []string          `json:"disabled,omitempty"`
	Environment map[string]string `json:"environment,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
	YAML        string            `json:"yaml"`
}

// Marshal writes the model, secrets included, so that UnmarshalModel gives one whose services have the same
// configuration hashes; it fails where that would not hold.
func (m *Model) Marshal() ([]byte, error) {
	text, err := m.project.MarshalYAML(types.WithSecretContent)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	data, err := json.MarshalIndent(savedModel{
		Format: modelFormat, Name: m.project.Name, Directory: m.project.WorkingDir, Files: m.project.ComposeFiles,
		EnvFiles: m.envFiles, Profiles: m.project.Profiles, Disabled: m.project.DisabledServiceNames(),
		Environment: m.project.Environment, Warnings: m.warnings, YAML: string(text),
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	back, err := UnmarshalModel(data)
	if err != nil {
		return nil, err
	}
	for name := range m.project.Services {
		if err := sameHash(m, back, name); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func sameHash(a, b *Model, service string) error {
	was, err := a.Hash(service)
	if err != nil {
		return err
	}
	is, err := b.Hash(service)
	if err != nil {
		return err
	}
	if was != is {
		return fmt.Errorf("model: service %s cannot be written without changing its configuration hash", service)
	}
	return nil
}

// UnmarshalModel reads what Marshal wrote; no file of the original is needed.
func UnmarshalModel(data []byte) (*Model, error) {
	var s savedModel
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if s.Format != modelFormat {
		return nil, fmt.Errorf("model: format %d is unknown: this version reads format %d", s.Format, modelFormat)
	}
	stop := warned.listen(func(string) {})
	defer stop()
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  s.Directory,
		Environment: s.Environment,
		ConfigFiles: []types.ConfigFile{{Filename: "model.yaml", Content: []byte(s.YAML)}},
	}, func(o *loader.Options) {
		o.SetProjectName(s.Name, true)
		o.SkipValidation = true
		o.SkipInterpolation = true
		o.SkipNormalization = true
		o.SkipConsistencyCheck = true
		o.SkipExtends = true
		o.SkipInclude = true
		o.SkipResolveEnvironment = true
		o.SkipResolveLabels = true
		o.ResolvePaths = false
		o.Profiles = []string{"*"} // those that were not active are not in the text
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	project.Name, project.WorkingDir, project.ComposeFiles = s.Name, s.Directory, s.Files
	project.Environment, project.Profiles = s.Environment, s.Profiles
	if project.DisabledServices == nil {
		project.DisabledServices = types.Services{}
	}
	for _, name := range s.Disabled {
		project.DisabledServices[name] = types.ServiceConfig{Name: name}
	}
	m := &Model{project: project, envFiles: s.EnvFiles, warnings: s.Warnings}
	m.decorate()
	return m, nil
}

// networkHash is what Compose compares to decide whether a network must be made anew.
func networkHash(n types.NetworkConfig) (string, error) { return sdkcompose.NetworkHash(&n) }
