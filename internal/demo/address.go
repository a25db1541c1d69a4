package demo

import (
	"context"
	"fmt"
	"net"

	"github.com/docker/docker/client"
)

// URL is the address at which a service of a running environment is published on this machine, such as
// http://127.0.0.1:49153. The port changes whenever the container is made anew.
func (e Environment) URL(ctx context.Context, engine client.APIClient, service string) (string, error) {
	info, err := findContainer(ctx, engine, e.Project, service)
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	for _, bindings := range info.NetworkSettings.Ports {
		for _, b := range bindings {
			return "http://" + net.JoinHostPort(b.HostIP, b.HostPort), nil
		}
	}
	return "", fmt.Errorf("demo: service %s of project %s publishes no port", service, e.Project)
}
