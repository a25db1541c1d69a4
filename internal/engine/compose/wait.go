package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/org/promote-action/internal/engine"
)

// lookEvery is the time between two looks at the containers of a project.
const lookEvery = 400 * time.Millisecond

// logTail is how many lines of a culprit's log an error carries.
const logTail = 20

// WaitHealthy waits until every wanted service is healthy and runs the wanted image. It fails at once, with an
// *engine.UnhealthyError, when one cannot become so any more, and also when a time limit passes; then the error wraps
// context.DeadlineExceeded.
func (e *Engine) WaitHealthy(ctx context.Context, project string, wants []engine.Want, onProgress func(engine.Waiting)) error {
	return e.await(ctx, project, wants, &judge{seen: map[string]*sighting{}}, onProgress)
}

func (e *Engine) await(ctx context.Context, project string, wants []engine.Want, j *judge, onProgress func(engine.Waiting)) error {
	start := time.Now()
	told := map[string]string{}
	var all []engine.Container
	for {
		latest, err := e.Containers(ctx, project)
		if err == nil {
			all = latest
		} else if ctx.Err() == nil {
			return err
		}
		ready := err == nil
		for _, w := range wants {
			v, culprit := j.service(w, all, time.Now())
			if v.dead != "" && ctx.Err() == nil {
				return e.unhealthy(ctx, w.Service, culprit, v.dead, nil)
			}
			if told[w.Service] != v.text && onProgress != nil && ctx.Err() == nil {
				told[w.Service] = v.text
				onProgress(engine.Waiting{Service: w.Service, Ready: v.ready, Text: v.text, Elapsed: time.Since(start)})
			}
			if v.ready {
				continue
			}
			ready = false
			late := w.Timeout > 0 && time.Since(start) >= w.Timeout
			if late || errors.Is(ctx.Err(), context.DeadlineExceeded) {
				reason := fmt.Sprintf("not healthy after %s: %s", time.Since(start).Round(time.Second), v.text)
				return e.unhealthy(ctx, w.Service, culprit, reason, context.DeadlineExceeded)
			}
		}
		if ready {
			return nil
		}
		if err := ctx.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		_ = sleep(ctx, lookEvery) // the deadline is judged at the next look
	}
}

// service judges all replicas of a service; the container is the one that the verdict is about.
func (j *judge) service(w engine.Want, all []engine.Container, now time.Time) (verdict, *engine.Container) {
	need := max(w.Replicas, 1)
	var ready int
	var open *engine.Container
	text := ""
	for i := range all {
		c := &all[i]
		if c.Service != w.Service || c.OneOff {
			continue
		}
		v := j.look(w, *c, now)
		switch {
		case v.dead != "":
			return v, c
		case v.ready:
			ready++
			if text == "" {
				text = v.text
			}
		case open == nil:
			open, text = c, v.text
		}
	}
	if open == nil && ready >= need {
		return verdict{ready: true, text: text}, nil
	}
	if need > 1 {
		text = fmt.Sprintf("%d of %d replicas healthy", ready, need)
	}
	if text == "" {
		text = "no container"
	}
	return verdict{text: text}, open
}

// unhealthy builds the error, with what the culprit last wrote. It works after ctx has ended too.
func (e *Engine) unhealthy(ctx context.Context, service string, c *engine.Container, reason string, cause error) error {
	out := &engine.UnhealthyError{Service: service, Reason: reason, Err: cause}
	if c == nil {
		return out
	}
	out.Container, out.ExitCode, out.Health = c.Name, c.ExitCode, slices.Clone(c.HealthLog)
	lctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	out.Log, _ = e.Logs(lctx, c.ID, logTail, time.Time{})
	return out
}
