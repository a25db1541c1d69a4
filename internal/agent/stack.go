package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// stack makes a Compose project a step.Stack.
type stack struct {
	env   *environment
	model []byte // of the new release
}

func (s *stack) project() string { return s.env.spec.Project }

// Record implements step.Stack.
func (s *stack) Record(ctx context.Context) ([]byte, error) {
	var model *compose.Model
	if len(s.model) > 0 {
		var err error
		if model, err = compose.UnmarshalModel(s.model); err != nil {
			return nil, err
		}
	}
	record, err := s.env.engine.Record(ctx, s.project(), model)
	if err != nil {
		return nil, err
	}
	if model != nil { // a release follows, so that it may have to be brought back
		if services := s.replaced(record); len(services) > 0 {
			if err := s.env.engine.ProveRestore(ctx, record, services); err != nil {
				return nil, fmt.Errorf("a rollback would not be possible: %w", err)
			}
		}
	}
	return json.Marshal(record)
}

// replaced are the recorded services that a promotion may replace: those of the model that are no datastores.
func (s *stack) replaced(record compose.Record) []string {
	var out []string
	for _, c := range record.Containers {
		spec, known := s.env.spec.Services[c.Service]
		if known && spec.Kind != string(config.DatabaseServer) && !IsDatastore(c.Config.Image, environ(c.Config.Env), spec.Ports) && !slices.Contains(out, c.Service) {
			out = append(out, c.Service)
		}
	}
	return out
}

func environ(list []string) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		key, value, _ := strings.Cut(kv, "=")
		out[key] = value
	}
	return out
}

// Stop implements step.Stack.
func (s *stack) Stop(ctx context.Context, services []string, onEvent func(string)) ([]step.Stopped, error) {
	ended, err := s.env.engine.Stop(ctx, s.project(), services, s.needs(), text(onEvent))
	out := make([]step.Stopped, 0, len(ended))
	for _, e := range ended {
		out = append(out, step.Stopped{Container: e.Container, Code: e.ExitCode, Killed: e.Killed, Took: e.Took})
	}
	return out, err
}

// needs are the dependencies as the model has them, for containers that do not say so themselves.
func (s *stack) needs() map[string][]string {
	needs := map[string][]string{}
	for name, svc := range s.env.spec.Services {
		for _, d := range svc.DependsOn {
			needs[name] = append(needs[name], d.Service)
		}
	}
	return needs
}

// RunJob implements step.Stack.
func (s *stack) RunJob(ctx context.Context, service string, onLine func(string)) error {
	model, err := compose.UnmarshalModel(s.model)
	if err != nil {
		return err
	}
	result, err := s.env.engine.RunJob(ctx, model, service, onLine)
	if err != nil {
		return failure(err)
	}
	if result.Code != 0 {
		return &step.ServiceError{Service: service, Container: result.Container, Reason: fmt.Sprintf("the one-shot ended with code %d", result.Code), Log: tail(result.Tail)}
	}
	return nil
}

// Up implements step.Stack.
func (s *stack) Up(ctx context.Context, up step.Up, onEvent func(string)) error {
	model, err := compose.UnmarshalModel(s.model)
	if err != nil {
		return err
	}
	if err := s.env.part(ctx); err != nil {
		return err
	}
	ctx, cancel := s.bounded(ctx, up.Services)
	defer cancel()
	err = failure(s.env.engine.Up(ctx, model, compose.Deployment{Services: up.Services, Keep: up.Keep, JobsDone: up.JobsDone, Unwell: up.Unwell}, text(onEvent)))
	var known *step.ServiceError
	if err == nil || errors.As(err, &known) || errors.Is(context.Cause(ctx), promote.ErrCancelled) {
		return err
	}
	return s.blame(context.WithoutCancel(ctx), up, err)
}

// blame finds the service that an error of Compose is about, as its containers show it.
func (s *stack) blame(ctx context.Context, up step.Up, err error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	all, lerr := s.env.engine.Containers(ctx, s.project())
	if lerr != nil {
		return err
	}
	for _, c := range all {
		ill := c.Health == "unhealthy" || c.State == "restarting" || c.State == "exited" && c.ExitCode != 0
		if c.OneOff || !ill || !slices.Contains(up.Services, c.Service) || slices.Contains(up.Unwell, c.Service) {
			continue
		}
		e := s.Diagnose(ctx, c.Service, c.Name, err.Error())
		e.Err = err
		return e
	}
	return err
}

// bounded limits ctx to what the slowest of the services may take to start, with a minute for everything around it.
func (s *stack) bounded(ctx context.Context, services []string) (context.Context, context.CancelFunc) {
	var longest time.Duration
	for _, name := range services {
		longest = max(longest, s.env.spec.Services[name].StartupTimeout)
	}
	if longest == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, longest+time.Minute, fmt.Errorf("the services were not healthy within %s", longest))
}

// WaitHealthy implements step.Stack.
func (s *stack) WaitHealthy(ctx context.Context, want []step.Want, onEvent func(string)) error {
	wants := make([]engine.Want, 0, len(want))
	for _, w := range want {
		spec := s.env.spec.Services[w.Service]
		wants = append(wants, engine.Want{Service: w.Service, Image: w.ImageID, Timeout: w.Timeout.Time(), Replicas: spec.Replicas, OneShot: spec.OneShot})
	}
	return failure(s.env.engine.WaitHealthy(ctx, s.project(), wants, func(w engine.Waiting) { onEvent(w.Service + ": " + w.Text) }))
}

func decodeRecord(data []byte) (compose.Record, error) {
	var record compose.Record
	if err := json.Unmarshal(data, &record); err != nil {
		return record, fmt.Errorf("record of the previous release: %w", err)
	}
	return record, nil
}

// Discard implements step.Stack.
func (s *stack) Discard(ctx context.Context, data []byte, services []string, onEvent func(string)) error {
	record, err := decodeRecord(data)
	if err != nil {
		return err
	}
	if err := s.env.part(ctx); err != nil {
		return err
	}
	// Containers that the new release left as they were belong to the record; they stop too, or they would go on writing.
	if _, err := s.env.engine.Stop(ctx, s.project(), services, s.needs(), text(onEvent)); err != nil {
		return err
	}
	return failure(s.env.engine.Discard(ctx, record, services, text(onEvent)))
}

// Restore implements step.Stack.
func (s *stack) Restore(ctx context.Context, data []byte, services []string, onEvent func(string)) error {
	record, err := decodeRecord(data)
	if err != nil {
		return err
	}
	if err := s.env.part(ctx); err != nil {
		return err
	}
	if err := s.env.engine.Restore(ctx, record, compose.RestoreOptions{Services: services}, text(onEvent)); err != nil {
		return failure(err)
	}
	ctx, cancel := s.bounded(ctx, services)
	defer cancel()
	return failure(s.env.engine.WaitHealthy(ctx, s.project(), record.WantsOf(services, 0), func(w engine.Waiting) { onEvent(w.Service + ": " + w.Text) }))
}

// Compare implements step.Stack.
func (s *stack) Compare(ctx context.Context, data []byte, services []string) ([]promotion.ProofItem, error) {
	record, err := decodeRecord(data)
	if err != nil {
		return nil, err
	}
	comparisons, err := s.env.engine.Compare(ctx, record, services)
	if err != nil {
		return nil, err
	}
	items := make([]promotion.ProofItem, 0, 2*len(comparisons))
	for _, d := range comparisons {
		items = append(items,
			promotion.ProofItem{Area: "images", Name: d.Container, Want: short(d.WantImage), Got: short(d.GotImage), Equal: d.WantImage == d.GotImage, Reason: d.Problem},
			promotion.ProofItem{Area: "configuration", Name: d.Container, Want: short(d.WantConfig), Got: short(d.GotConfig), Equal: d.WantConfig == d.GotConfig, Reason: d.Problem},
		)
	}
	return items, nil
}

// Restarts implements step.Stack.
func (s *stack) Restarts(ctx context.Context, services []string) (map[string]int, []string, error) {
	all, err := s.env.engine.Containers(ctx, s.project())
	if err != nil {
		return nil, nil, err
	}
	counts := map[string]int{}
	var down []string
	for _, c := range all {
		if c.OneOff || !slices.Contains(services, c.Service) || s.env.spec.Services[c.Service].OneShot {
			continue
		}
		counts[c.Name] = c.Restarts
		if c.State != "running" || c.Health == "unhealthy" {
			down = append(down, c.Name)
		}
	}
	return counts, down, nil
}

// Diagnose implements step.Diagnoser.
func (s *stack) Diagnose(ctx context.Context, service, container, reason string) *step.ServiceError {
	e := &step.ServiceError{Service: service, Container: container, Reason: reason}
	all, err := s.env.engine.Containers(ctx, s.project())
	if err != nil {
		return e
	}
	for _, c := range all {
		if c.OneOff || (container != "" && c.Name != container) || (container == "" && c.Service != service) {
			continue
		}
		e.Service, e.Container = c.Service, c.Name
		e.Health = probes(c.HealthLog)
		if lines, err := s.env.engine.Logs(ctx, c.ID, 20, time.Time{}); err == nil {
			e.Log = lines
		}
		return e
	}
	return e
}

func probes(log []engine.Probe) []string {
	var out []string
	for _, p := range log {
		out = append(out, fmt.Sprintf("%s exit %d: %s", p.Time.UTC().Format("15:04:05"), p.Exit, oneLine(p.Output)))
	}
	return out
}

// text turns the engine's events into lines.
func text(onEvent func(string)) func(engine.Event) {
	return func(e engine.Event) {
		if e.Text != "" {
			onEvent(e.Text)
		}
	}
}

// failure turns what the engine says of a service into what a step says.
func failure(err error) error {
	var u *engine.UnhealthyError
	if !errors.As(err, &u) {
		return err
	}
	return &step.ServiceError{Service: u.Service, Container: u.Container, Reason: u.Reason, Health: probes(u.Health), Log: u.Log, Err: err}
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[:min(len(s), 300)]
}

func tail(s string) []string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[max(0, len(lines)-20):]
}

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}
