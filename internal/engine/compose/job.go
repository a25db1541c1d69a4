package compose

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/process"
)

// JobResult is how a one-shot ended.
type JobResult struct {
	Container string
	Code      int
	Tail      string // the last lines of its output
	Took      time.Duration
}

// RunJob runs one service to its end, as Compose would have run it, in a new container that takes the place of the
// former one and stays for its logs. Its dependencies must be up: those that it wants healthy are waited for, none is
// started. onLine gets each line of output. When ctx ends the job is killed.
//
// A code other than 0 is no error. Compose's own `run` is not used: it takes the process's signal handlers away.
func (e *Engine) RunJob(ctx context.Context, m *Model, service string, onLine func(string)) (JobResult, error) {
	s, err := m.project.GetService(service)
	if err != nil {
		return JobResult{}, fmt.Errorf("job %s: %w", service, err)
	}
	if err := e.awaitDependencies(ctx, m, s); err != nil {
		return JobResult{}, fmt.Errorf("job %s: %w", service, err)
	}
	project, err := m.project.WithSelectedServices([]string{service}, types.IgnoreDependencies)
	if err != nil {
		return JobResult{}, fmt.Errorf("job %s: %w", service, err)
	}
	s = project.Services[service]
	s.SetScale(1)
	if r := restartPolicy(s); r == "always" || r == "unless-stopped" {
		return JobResult{}, fmt.Errorf("job %s: restart: %s would run it for ever; a one-shot needs restart: \"no\" or on-failure", service, r)
	}
	project.Services[service] = s
	defer warned.listen(func(string) {})()
	if err := e.protectNetworks(ctx, project, []string{service}, func(string) {}); err != nil {
		return JobResult{}, fmt.Errorf("job %s: %w", service, err)
	}
	svc, err := e.sdk(newSink(m, nil))
	if err != nil {
		return JobResult{}, err
	}
	err = svc.Create(ctx, project, api.CreateOptions{Services: []string{service}, IgnoreOrphans: true, Recreate: api.RecreateForce, Inherit: true})
	if err = errors.Join(err, ctx.Err()); err != nil {
		return JobResult{}, fmt.Errorf("job %s: %w", service, err)
	}
	start := time.Now()
	if err := errors.Join(svc.Start(ctx, project.Name, api.StartOptions{Project: project}), ctx.Err()); err != nil {
		return JobResult{}, fmt.Errorf("job %s: %w", service, err)
	}
	res, err := e.finish(ctx, project.Name, service, onLine)
	res.Took = time.Since(start)
	if err != nil {
		return res, fmt.Errorf("job %s: %w", service, err)
	}
	return res, nil
}

func (e *Engine) finish(ctx context.Context, project, service string, onLine func(string)) (JobResult, error) {
	all, err := e.Containers(ctx, project)
	if err != nil {
		return JobResult{}, err
	}
	for _, c := range all {
		if c.Service != service || c.OneOff {
			continue
		}
		code, tail, err := e.follow(ctx, c.ID, onLine)
		if err != nil {
			kctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = e.api.ContainerKill(kctx, c.ID, "KILL") // best effort: err says why
		}
		return JobResult{Container: c.Name, Code: code, Tail: tail}, err
	}
	return JobResult{}, errors.New("its container is gone")
}

// follow hands on the output of a started container and waits for its end, its restarts included.
func (e *Engine) follow(ctx context.Context, id string, onLine func(string)) (int, string, error) {
	var tail process.Tail
	lctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read := make(chan struct{})
	go func() {
		defer close(read)
		opts := container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true}
		_ = e.streamLogs(lctx, id, opts, func(line string) { // without logs the job still counts
			_, _ = tail.Write([]byte(line + "\n"))
			if onLine != nil {
				onLine(line)
			}
		})
	}()
	waits, errs := e.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	var code int
	var err error
	select {
	case w := <-waits:
		code = int(w.StatusCode)
		if w.Error != nil {
			err = errors.New(w.Error.Message)
		}
	case err = <-errs:
	}
	if err == nil { // the last lines may still be on their way
		select {
		case <-read:
		case <-time.After(3 * time.Second):
		}
	}
	cancel()
	<-read
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return code, tail.String(), err
}

func (e *Engine) awaitDependencies(ctx context.Context, m *Model, s types.ServiceConfig) error {
	var wants []engine.Want
	for dep, d := range s.DependsOn {
		if d.Condition == types.ServiceConditionHealthy && d.Required {
			wants = append(wants, engine.Want{Service: dep})
		}
	}
	if len(wants) == 0 {
		return nil
	}
	return e.WaitHealthy(ctx, m.project.Name, wants, nil)
}
