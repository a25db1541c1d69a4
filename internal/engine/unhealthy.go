package engine

import "fmt"

// UnhealthyError is a service that cannot become healthy any more, or did not in time.
type UnhealthyError struct {
	Service   string
	Container string
	Reason    string // "exited (1)", "restarted 3 times", "unhealthy", "runs sha256:… instead of sha256:…"
	ExitCode  int
	Health    []Probe
	Log       []string // the last lines
	Err       error    // the deadline that passed; nil when it failed before
}

func (e *UnhealthyError) Error() string {
	if e.Container == "" {
		return fmt.Sprintf("service %s: %s", e.Service, e.Reason)
	}
	return fmt.Sprintf("service %s (%s): %s", e.Service, e.Container, e.Reason)
}

func (e *UnhealthyError) Unwrap() error { return e.Err }
