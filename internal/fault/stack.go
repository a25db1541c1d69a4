package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// stack is the model's step.Stack.
type stack struct{ w *World }

func (s stack) Record(ctx context.Context) ([]byte, error) {
	var data []byte
	err := s.w.op(ctx, "record", func() (err error) {
		data, err = json.Marshal(s.w.containers())
		return err
	})
	return data, err
}

func (s stack) Stop(ctx context.Context, services []string, _ func(string)) ([]step.Stopped, error) {
	var stopped []step.Stopped
	for _, service := range services {
		c := s.w.Containers[service]
		if c == nil || !c.Running {
			continue
		}
		err := s.w.op(ctx, "stop "+service, func() error {
			c.Running, c.Stopped = false, true
			stopped = append(stopped, step.Stopped{Container: service})
			return nil
		})
		if err != nil {
			return stopped, err
		}
	}
	return stopped, nil
}

func (s stack) RunJob(ctx context.Context, service string, _ func(string)) error {
	c := &Container{ID: s.w.id(), Service: service, Image: newImage + service, Config: "new", Running: true, Restart: "no", Job: true}
	if err := s.w.op(ctx, "start job "+service, func() error {
		s.w.Containers[service] = c
		return nil
	}); err != nil {
		return err // of a lost answer the job runs on
	}
	for c.Running {
		if ctx.Err() != nil {
			c.Running, c.Code = false, 137
			return context.Cause(ctx)
		}
		s.w.tick("job " + service)
	}
	if c.Code != 0 {
		return &step.ServiceError{Service: service, Container: service, Reason: fmt.Sprintf("the one-shot ended with code %d", c.Code)}
	}
	return nil
}

func (s stack) Up(ctx context.Context, up step.Up, _ func(string)) error {
	for _, service := range up.Services {
		if err := s.w.op(ctx, "remove "+service, func() error {
			if c := s.w.Containers[service]; c != nil && c.Config == "old" {
				delete(s.w.Containers, service)
			}
			return nil
		}); err != nil {
			return err
		}
		if err := s.w.op(ctx, "create "+service, func() error {
			c := s.w.Containers[service]
			if c == nil {
				c = &Container{ID: s.w.id(), Service: service, Image: newImage + service, Config: "new", Restart: s.w.before[service].Restart}
				s.w.Containers[service] = c
			}
			c.Running, c.Stopped = true, false
			if service == "api" {
				c.Sick = s.w.Shape.Broken == Unhealthy || s.w.Shape.Broken == StartChanges
				if s.w.Shape.Broken == StartChanges {
					for i := range s.w.Shape.Databases {
						s.w.change(dbName(i), "2s", false)
					}
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if service == "api" && (s.w.Shape.Broken == NoStart || s.w.Shape.Broken == JobDeletes) {
			s.w.Containers[service].Running = false
			return &step.ServiceError{Service: service, Container: service, Reason: "exited (1)", Log: []string{"panic: no"}}
		}
	}
	return nil
}

func (s stack) WaitHealthy(ctx context.Context, want []step.Want, _ func(string)) error {
	return s.w.op(ctx, "wait healthy", func() error {
		for _, v := range want {
			c := s.w.Containers[v.Service]
			switch {
			case c == nil || !c.Running:
				return &step.ServiceError{Service: v.Service, Reason: "does not run"}
			case c.Image != v.ImageID:
				return &step.ServiceError{Service: v.Service, Reason: "runs another image"}
			case c.Sick:
				return &step.ServiceError{Service: v.Service, Reason: "unhealthy", Health: []string{"exit 1"}}
			}
		}
		return nil
	})
}

func recorded(record []byte) (map[string]Container, error) {
	var r map[string]Container
	err := json.Unmarshal(record, &r)
	return r, err
}

func (s stack) Discard(ctx context.Context, record []byte, services []string, _ func(string)) error {
	r, err := recorded(record)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.w.Containers)) {
		c := s.w.Containers[name]
		if !slices.Contains(services, c.Service) || r[name].ID == c.ID || r[name].Config == c.Config && r[name].Image == c.Image {
			continue
		}
		if err := s.w.op(ctx, "discard "+name, func() error {
			delete(s.w.Containers, name)
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s stack) Restore(ctx context.Context, record []byte, services []string, onEvent func(string)) error {
	r, err := recorded(record)
	if err != nil {
		return err
	}
	if err := s.Discard(ctx, record, services, onEvent); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r)) {
		was := r[name]
		if !slices.Contains(services, was.Service) {
			continue
		}
		if s.w.Containers[name] == nil {
			if err := s.w.op(ctx, "make "+name, func() error {
				c := was
				c.ID, c.Running, c.Stopped = s.w.id(), false, false
				s.w.Containers[name] = &c
				return nil
			}); err != nil {
				return err
			}
		}
		if c := s.w.Containers[name]; !c.Job && was.Running && (!c.Running || c.Stopped) {
			if err := s.w.op(ctx, "start "+name, func() error {
				c.Running, c.Stopped = true, false
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s stack) Compare(ctx context.Context, record []byte, services []string) ([]promotion.ProofItem, error) {
	r, err := recorded(record)
	if err != nil {
		return nil, err
	}
	var items []promotion.ProofItem
	err = s.w.op(ctx, "compare", func() error {
		for _, name := range slices.Sorted(maps.Keys(r)) {
			was := r[name]
			if !slices.Contains(services, was.Service) {
				continue
			}
			var got Container
			if c := s.w.Containers[name]; c != nil {
				got = *c
			}
			config, want := fmt.Sprint(got.Config, got.Running), fmt.Sprint(was.Config, was.Running)
			items = append(items,
				promotion.ProofItem{Area: "images", Name: name, Want: was.Image, Got: got.Image, Equal: was.Image == got.Image},
				promotion.ProofItem{Area: "configuration", Name: name, Want: want, Got: config, Equal: want == config},
			)
		}
		return nil
	})
	return items, err
}

func (s stack) Restarts(ctx context.Context, services []string) (map[string]int, []string, error) {
	counts := map[string]int{}
	var down []string
	err := s.w.op(ctx, "restarts", func() error {
		for _, service := range services {
			c := s.w.Containers[service]
			if c == nil || !c.Running || s.w.Shape.Broken == Restarting && service == "api" {
				down = append(down, service)
				continue
			}
			counts[service] = c.Restarts
		}
		return nil
	})
	return counts, down, err
}
