package demo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/client"
)

// ErrRemoteEngine is an engine that is reached over SSH: the demo's services are published on its host only.
var ErrRemoteEngine = errors.New("the demo needs an engine on this machine: choose it with DOCKER_HOST=unix:///var/run/docker.sock, or docker context use default")

// Connect opens the API of the engine at host, as compose.Engine names it.
func Connect(host string) (*client.Client, error) {
	if strings.HasPrefix(host, "ssh://") {
		return nil, fmt.Errorf("demo: engine at %s: %w", host, ErrRemoteEngine)
	}
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	return c, nil
}
