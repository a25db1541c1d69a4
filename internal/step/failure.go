package step

import "fmt"

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
