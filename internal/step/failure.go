package step

import (
	"context"
	"fmt"
)

// Diagnoser is a Stack that can show what a service said before it failed.
type Diagnoser interface {
	// Diagnose returns a *ServiceError for a service, or for one of its containers where that is named.
	Diagnose(ctx context.Context, service, container, reason string) *ServiceError
}

// diagnosed adds to an error what its culprit said, where the stack can tell.
func diagnosed(ctx context.Context, t *Target, service, container, reason string, err error) error {
	d, ok := t.Stack.(Diagnoser)
	if !ok {
		return err
	}
	s := d.Diagnose(ctx, service, container, reason)
	s.Err = err
	return s
}

// ServiceError is a service that kept a step from succeeding.
type ServiceError struct {
	Service   string
	Container string
	Reason    string
	Health    []string // its last probes, oldest first
	Log       []string // its last lines
	Err       error
}

func (e *ServiceError) Error() string { return fmt.Sprintf("service %s: %s", e.Service, e.Reason) }

func (e *ServiceError) Unwrap() error { return e.Err }
