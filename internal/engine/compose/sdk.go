package compose

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/compose/v5/pkg/api"
	sdkcompose "github.com/docker/compose/v5/pkg/compose"

	"github.com/org/promote-action/internal/engine"
)

// sdk returns Compose itself, acting through this engine's connection. Questions that Compose would ask a person are
// all about throwing data away; the answer is no.
func (e *Engine) sdk(events api.EventProcessor) (api.Compose, error) {
	cli, err := e.dockerCLI()
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	svc, err := sdkcompose.NewComposeService(cli,
		sdkcompose.WithEventProcessor(events),
		sdkcompose.WithPrompt(func(string, bool) (bool, error) { return false, nil }),
		sdkcompose.WithStreams(io.Discard, io.Discard, strings.NewReader("")),
	)
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	return svc, nil
}

func (e *Engine) dockerCLI() (command.Cli, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cli != nil {
		return e.cli, nil
	}
	cli, err := command.NewDockerCli(
		command.WithAPIClient(e.moby),
		command.WithInputStream(io.NopCloser(strings.NewReader(""))),
		command.WithOutputStream(io.Discard),
		command.WithErrorStream(io.Discard),
	)
	if err != nil {
		return nil, err
	}
	if err := cli.Initialize(clientOptions()); err != nil {
		return nil, err
	}
	e.cli = cli
	return cli, nil
}

// sink turns Compose's progress into events; Compose tells some of it twice.
type sink struct {
	onEvent func(engine.Event)
	service func(container string) string

	mu   sync.Mutex
	last map[string]string
}

func newSink(m *Model, onEvent func(engine.Event)) *sink {
	return &sink{onEvent: serial(onEvent), service: m.serviceOf, last: map[string]string{}}
}

// Start implements api.EventProcessor.
func (*sink) Start(context.Context, string) {}

// Done implements api.EventProcessor.
func (*sink) Done(string, bool) {}

// On implements api.EventProcessor.
func (s *sink) On(rs ...api.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rs {
		text := strings.TrimSpace(r.Text + " " + r.Details)
		if s.last[r.ID] == text {
			continue
		}
		s.last[r.ID] = text
		kind, name, ok := strings.Cut(r.ID, " ")
		if !ok {
			kind, name = "stack", r.ID
		}
		ev := engine.Event{Time: time.Now(), Kind: strings.ToLower(kind), Action: strings.ToLower(r.Text), Warning: r.Status == api.Warning, Text: r.Details}
		if r.Status == api.Error {
			ev.Action, ev.Text, ev.Warning = "error", text, true
		}
		ev.Container = name
		if ev.Kind == "container" {
			ev.Service = s.service(name)
		} else {
			ev.ID = name
			ev.Container = ""
		}
		s.onEvent(ev)
	}
}

func (s *sink) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onEvent(engine.Event{Time: time.Now(), Kind: "stack", Action: "warning", Warning: true, Text: text})
}

// serviceOf finds the service whose container has that name; "" when none has.
func (m *Model) serviceOf(container string) string {
	for name, s := range m.project.Services {
		if s.ContainerName == container {
			return name
		}
		rest, ok := strings.CutPrefix(container, m.project.Name+api.Separator+name+api.Separator)
		if ok && number(rest) > 0 {
			return name
		}
	}
	return ""
}
