package compose

import (
	"errors"
	"fmt"

	"github.com/containerd/errdefs"

	"github.com/org/promote-action/internal/engine"
)

// ErrNotFound is a container, image, network or volume that the engine does not have.
var ErrNotFound = errors.New("not found")

// ErrNameTaken is a container name that another container holds; the error is a *NameTakenError.
var ErrNameTaken = errors.New("container name is taken")

// NameTakenError says who holds a container name.
type NameTakenError struct {
	Name   string
	Holder engine.Container
}

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("container name %s is taken by %s (%s)", e.Name, short(e.Holder.ID), e.Holder.State)
}

// Is makes errors.Is(err, ErrNameTaken) true.
func (e *NameTakenError) Is(target error) bool { return target == ErrNameTaken }

// notFound makes an error by which the engine says that something is missing an ErrNotFound too.
func notFound(err error) error {
	if errdefs.IsNotFound(err) {
		return &missingError{err}
	}
	return err
}

type missingError struct{ error }

func (e *missingError) Is(target error) bool { return target == ErrNotFound }
func (e *missingError) Unwrap() error        { return e.error }
