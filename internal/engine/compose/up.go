package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"

	"github.com/org/promote-action/internal/engine"
)

// Deployment says what of a model is brought up.
type Deployment struct {
	// Services to deploy, with their dependencies' conditions kept. Empty means all that are in neither list below.
	Services []string
	// Keep are services that stay exactly as they are, even where the model says otherwise. They are started when they
	// don't run, and created when they don't exist.
	Keep []string
	// JobsDone are one-shots that have been run: nobody waits for them and they are not run again.
	JobsDone []string
	// Unwell are started like the others and not judged: they did not run well before either.
	Unwell []string
}

// Up makes the deployment real with Compose's own semantics and waits until all of its services are healthy. Named
// volumes are never deleted or made anew, containers of services that the model does not have are reported and left.
// It fails at once with an *engine.UnhealthyError when a service cannot become healthy any more; the deadline of ctx
// bounds the whole and ends in one too.
func (e *Engine) Up(ctx context.Context, m *Model, d Deployment, onEvent func(engine.Event)) error {
	project, deploy, err := narrow(m, d)
	if err != nil {
		return err
	}
	before, err := e.Containers(ctx, project.Name)
	if err != nil {
		return err
	}
	events := newSink(m, onEvent)
	defer warned.listen(func(string) {})()
	reportOrphans(events, m, before)
	settleKept(project, d.Keep, before)
	if err := e.protectNetworks(ctx, project, deploy, events.warn); err != nil {
		return err
	}
	svc, err := e.sdk(events)
	if err != nil {
		return err
	}
	wants := slices.DeleteFunc(wantsOf(m, project, deploy, before), func(w engine.Want) bool { return slices.Contains(d.Unwell, w.Service) })
	j := &judge{seen: map[string]*sighting{}}
	wctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if err := e.watch(wctx, project.Name, wants, j, before); err != nil {
			cancel(err)
		}
	}()
	upErr := svc.Up(wctx, project, api.UpOptions{
		Create: api.CreateOptions{
			Services:             deploy,
			IgnoreOrphans:        true,
			Recreate:             api.RecreateDiverged,
			RecreateDependencies: api.RecreateNever,
			Inherit:              true,
		},
		Start: api.StartOptions{Project: project},
	})
	failed := context.Cause(wctx)
	cancel(nil)
	<-watched
	var sick *engine.UnhealthyError
	if errors.As(failed, &sick) {
		return sick
	}
	// Compose may return nil although its context ended, and an error that names no reason: look for the culprit.
	if upErr != nil || ctx.Err() != nil {
		return e.explain(ctx, project.Name, wants, j, before, upErr)
	}
	return e.await(ctx, project.Name, wants, j, func(w engine.Waiting) {
		events.onEvent(engine.Event{Time: time.Now(), Kind: "service", Action: w.Text, Service: w.Service})
	})
}

// narrow cuts the model down to the deployment; what is left out loses its edges.
func narrow(m *Model, d Deployment) (*types.Project, []string, error) {
	for _, name := range slices.Concat(d.Services, d.Keep, d.JobsDone) {
		if _, ok := m.project.Services[name]; !ok {
			return nil, nil, fmt.Errorf("up: the model has no service %s: it has %s", name, strings.Join(m.project.ServiceNames(), ", "))
		}
	}
	deploy := slices.Clone(d.Services)
	var off []string
	for _, name := range m.project.ServiceNames() {
		skipped := slices.Contains(d.Keep, name) || slices.Contains(d.JobsDone, name)
		switch {
		case len(d.Services) == 0 && !skipped:
			deploy = append(deploy, name)
		case slices.Contains(d.Keep, name) || slices.Contains(d.Services, name) && !skipped:
		default:
			off = append(off, name)
		}
	}
	deploy = slices.DeleteFunc(deploy, func(s string) bool { return slices.Contains(d.Keep, s) || slices.Contains(d.JobsDone, s) })
	if len(deploy) == 0 {
		return nil, nil, errors.New("up: no service to deploy")
	}
	return m.project.WithServicesDisabled(off...), deploy, nil
}

// settleKept makes the model agree with the number of kept containers, so that Compose neither adds nor takes one.
func settleKept(p *types.Project, keep []string, before []engine.Container) {
	for _, name := range keep {
		n := 0
		for _, c := range before {
			if c.Service == name && !c.OneOff {
				n++
			}
		}
		if n == 0 {
			continue
		}
		s := p.Services[name]
		s.SetScale(n)
		p.Services[name] = s
	}
}

func reportOrphans(events *sink, m *Model, before []engine.Container) {
	for _, c := range before {
		_, known := m.project.Services[c.Service]
		_, disabled := m.project.DisabledServices[c.Service]
		if !known && !disabled && !c.OneOff {
			events.warn(fmt.Sprintf("container %s belongs to service %s, which the model does not have: it is left as it is", c.Name, c.Service))
		}
	}
}

// wantsOf says what each deployed service must become. A service without restart policy, ports and health check that
// stands there with exit code 0, or never ran, may be a one-shot that nobody waits for: it may run or end well.
func wantsOf(m *Model, p *types.Project, deploy []string, before []engine.Container) []engine.Want {
	var out []engine.Want
	for _, s := range m.Services() {
		if !slices.Contains(deploy, s.Name) || s.Replicas == 0 {
			continue
		}
		w := engine.Want{Service: s.Name, Replicas: s.Replicas, OneShot: s.OneShot}
		if id := p.Services[s.Name].Image; strings.HasPrefix(id, "sha256:") {
			w.Image = id
		}
		if !w.OneShot && s.Restart == "no" && len(s.Ports) == 0 && !s.HasHealthcheck {
			ran := func(c engine.Container) bool {
				return c.Service == s.Name && !c.OneOff && (c.State != "exited" || c.ExitCode != 0) && c.State != "created"
			}
			w.MayEnd = !slices.ContainsFunc(before, ran) && !depended(m, s.Name)
		}
		out = append(out, w)
	}
	return out
}

func depended(m *Model, name string) bool {
	for _, s := range m.project.Services {
		if _, ok := s.DependsOn[name]; ok {
			return true
		}
	}
	return false
}
