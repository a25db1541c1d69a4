package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// errNoPort is a service that does not say where it listens.
var errNoPort = errors.New("no port")

// portOf is where svc is asked: own, the port of its health endpoint, or the only one it exposes.
func portOf(svc Service, own int) (int, error) {
	switch {
	case own != 0:
		return own, nil
	case svc.Health.Port != 0:
		return svc.Health.Port, nil
	case len(svc.Ports) == 1:
		return svc.Ports[0], nil
	case len(svc.Ports) == 0:
		return 0, fmt.Errorf("%w is exposed by its image or its Compose model", errNoPort)
	default:
		return 0, fmt.Errorf("%w is configured and it exposes several: %s", errNoPort, strings.Trim(fmt.Sprint(svc.Ports), "[]"))
	}
}

// replicas asks a path of every replica of svc. It fails where there is none, or one that does not run.
func (s Subject) replicas(ctx context.Context, svc Service, port int, path string, want int, judge func(Container, response) promotion.Check) promotion.Check {
	return s.reach(ctx, svc, port, func(c Container, port int) promotion.Check {
		e, err := at(svc, c, port, path, s.Defaults.Version)
		if err != nil {
			return unknown("%v", err)
		}
		if judge == nil {
			return ask(ctx, e, want, nil)
		}
		return ask(ctx, e, want, func(r response) promotion.Check { return judge(c, r) })
	})
}

// reach calls visit for every replica of svc that runs and has an address.
func (s Subject) reach(ctx context.Context, svc Service, own int, visit func(c Container, port int) promotion.Check) promotion.Check {
	containers, c := s.present(ctx, svc)
	if containers == nil {
		return c
	}
	port, err := portOf(svc, own)
	if err != nil {
		return hinted(unknown("%v", err), "add `health: {port: …}` to service %s in the configuration", svc.Name)
	}
	return each(containers, func(c Container) promotion.Check {
		if c.State != "running" {
			return failed("%s, so it can't be asked", stateOf(c))
		}
		if c.IP == "" {
			return unknown("has no address in a network of the environment (network_mode host or none?)")
		}
		return visit(c, port)
	})
}

// present are the containers of svc, or why there are none.
func (s Subject) present(ctx context.Context, svc Service) ([]Container, promotion.Check) {
	containers, err := s.containers(ctx, svc)
	switch {
	case err != nil:
		return nil, unknown("could not read its containers: %s", line(err.Error(), tailWidth))
	case len(containers) == 0:
		return nil, failed("has no container")
	default:
		return containers, promotion.Check{}
	}
}

func stateOf(c Container) string {
	switch c.State {
	case "exited", "dead":
		return fmt.Sprintf("%s with code %d", c.State, c.ExitCode)
	case "":
		return "in an unknown state"
	default:
		return c.State
	}
}
