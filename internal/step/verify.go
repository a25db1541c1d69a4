package step

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// VerifyServices proves that every service is healthy and runs the promoted image.
type VerifyServices struct {
	Want []Want `json:"want"`
}

// Describe implements Step.
func (s *VerifyServices) Describe() string {
	return fmt.Sprintf("wait until %d services are healthy and run the promoted images", len(s.Want))
}

// Do implements Step.
func (s *VerifyServices) Do(ctx context.Context, t *Target) error {
	return t.Stack.WaitHealthy(ctx, s.Want, func(m string) { t.Progress(0, 0, "", m) })
}

// Undo implements Step.
func (s *VerifyServices) Undo(context.Context, *Target) error { return nil }

// VerifyChecks runs the environment checks against the new release.
type VerifyChecks struct{}

// Describe implements Step.
func (s *VerifyChecks) Describe() string {
	return "check health, versions, API and database from inside"
}

// Do implements Step.
func (s *VerifyChecks) Do(ctx context.Context, t *Target) error {
	checks, err := t.Checks.Verify(ctx, func(m string) { t.Progress(0, 0, "", m) })
	for _, c := range checks {
		t.Check(c)
	}
	if err != nil {
		return err
	}
	if blocking := promotion.Blocking(checks); len(blocking) > 0 {
		failed := &CheckError{Checks: blocking}
		if blocking[0].Service == "" {
			return failed
		}
		return diagnosed(ctx, t, blocking[0].Service, "", blocking[0].Name+": "+blocking[0].Message, failed)
	}
	return nil
}

// Undo implements Step.
func (s *VerifyChecks) Undo(context.Context, *Target) error { return nil }

// CheckError is checks that did not pass.
type CheckError struct{ Checks []promotion.Check }

func (e *CheckError) Error() string {
	var parts []string
	for _, c := range e.Checks {
		name := c.Name
		if c.Service != "" && !strings.Contains(name, c.Service) {
			name = c.Service + " " + name
		}
		parts = append(parts, name+": "+c.Message)
	}
	return strings.Join(first(parts, 3), "; ")
}

// Settle watches for a while that nothing restarts or ends.
type Settle struct {
	Services []string           `json:"services"`
	For      promotion.Duration `json:"for"`
}

// Describe implements Step.
func (s *Settle) Describe() string {
	return fmt.Sprintf("watch for %s that nothing restarts", s.For)
}

// Do implements Step.
func (s *Settle) Do(ctx context.Context, t *Target) error {
	before, down, err := t.Stack.Restarts(ctx, s.Services)
	if err != nil {
		return err
	}
	end := time.Now().Add(s.For.Time())
	for {
		if len(down) > 0 {
			return diagnosed(ctx, t, "", down[0], list(down)+" ended while settling", fmt.Errorf("%s ended while settling", list(down)))
		}
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(left, time.Second)):
		}
		var now map[string]int
		if now, down, err = t.Stack.Restarts(ctx, s.Services); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(now)) {
			was, known := before[name]
			if !known || now[name] != was {
				return diagnosed(ctx, t, "", name, "restarted while settling", fmt.Errorf("%s restarted while settling", name))
			}
		}
	}
}

// Undo implements Step.
func (s *Settle) Undo(context.Context, *Target) error { return nil }
