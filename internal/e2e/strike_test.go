package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

// killer kills what belongs to one shop.
type killer struct {
	shop    *shop
	line    *line
	restart []string // command that restarts the engine; none: it cannot be
	call    atomic.Pointer[running]
}

// strike does it. What is not there cannot be hit, which is no error.
func (k *killer) strike(ctx context.Context, v victim) error {
	switch v {
	case theDriver, theRecover:
		return k.killCall()
	case theAgent:
		return k.killFirst(ctx, "promote-"+k.shop.Staging.Project)
	case agentHeld:
		return k.holdAgent(ctx)
	case both:
		return errors.Join(k.killCall(), k.holdAgent(ctx))
	case theServer:
		return k.killFirst(ctx, k.container(ctx, "db"))
	case aBackend:
		return k.killBackend(ctx)
	case aService:
		return k.killFirst(ctx, k.container(ctx, "orders"))
	case connection:
		k.line.cut(2 * time.Second)
		return nil
	case stalled:
		k.line.hold(5 * time.Second)
		return nil
	case theEngine:
		if out, err := exec.CommandContext(ctx, k.restart[0], k.restart[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", k.restart, err, out)
		}
		return nil
	}
	return fmt.Errorf("unknown victim %q", v)
}

func (k *killer) killCall() error {
	r := k.call.Load()
	if r == nil {
		return nil
	}
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (k *killer) holdAgent(ctx context.Context) error {
	err := world.engine.ContainerKill(ctx, "promote-"+k.shop.Staging.Project, "KILL")
	if err != nil && (strings.Contains(err.Error(), "No such container") || strings.Contains(err.Error(), "is not running")) {
		return nil
	}
	return err
}

// container is the id of a service's container that runs; "" when there is none.
func (k *killer) container(ctx context.Context, service string) string {
	list, err := world.engine.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "com.docker.compose.project="+k.shop.Staging.Project), filters.Arg("label", "com.docker.compose.service="+service),
	)})
	if err != nil || len(list) == 0 {
		return ""
	}
	return list[0].ID
}

// killFirst kills the first process of a container as the kernel would, so that the engine's restart policy counts.
func (k *killer) killFirst(ctx context.Context, name string) error {
	in, err := world.engine.ContainerInspect(ctx, name)
	if err != nil || in.State.Pid == 0 {
		return nil //nolint:nilerr // it is not there
	}
	if err := syscall.Kill(in.State.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

func (k *killer) killBackend(ctx context.Context) error {
	in, err := world.engine.ContainerInspect(ctx, k.container(ctx, "db"))
	if err != nil || in.State.Pid == 0 {
		return nil //nolint:nilerr // it is not there
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", in.State.Pid))
	if err != nil {
		return nil //nolint:nilerr // gone meanwhile
	}
	last := 0
	for word := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(word); err == nil {
			last = pid // the youngest is most likely a session
		}
	}
	if last == 0 {
		return nil
	}
	if err := syscall.Kill(last, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
