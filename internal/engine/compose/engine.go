// Package compose runs stacks on a Docker engine with the semantics of Docker Compose. It is the only package that knows
// the engine's API and the Compose SDK; nothing here prints, and every call obeys its context.
package compose

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/docker/client"
	mobyclient "github.com/moby/moby/client"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/org/promote-action/internal/engine"
)

// Engine is a connection to one Docker engine. It is safe for concurrent use.
type Engine struct {
	host string
	api  *client.Client
	moby *mobyclient.Client

	mu  sync.Mutex
	cli command.Cli // made on first use of the Compose SDK
}

// pingTimeout bounds the first answer of an engine; an SSH connection needs a few round trips before it.
const pingTimeout = 30 * time.Second

// Open connects to the engine at e and negotiates the version. The error names what was tried and what to do.
func Open(ctx context.Context, e engine.Endpoint) (*Engine, error) {
	host, moby, err := dial(e)
	if err != nil {
		return nil, &EndpointError{Host: host, Err: err, Hint: hint(host, err)}
	}
	dialer := moby.Dialer()
	api, err := client.NewClientWithOpts(
		client.WithHost("tcp://docker.invalid:2375"),
		client.WithDialContext(dialContext(dialer)),
		client.WithScheme("http"),
		client.WithAPIVersionNegotiation(),
		client.WithTraceProvider(noop.NewTracerProvider()),
	)
	if err != nil {
		return nil, &EndpointError{Host: host, Err: err, Hint: hint(host, err)}
	}
	en := &Engine{host: host, api: api, moby: moby}
	if err := en.connect(ctx); err != nil {
		_ = en.Close()
		return nil, &EndpointError{Host: host, Err: err, Hint: hint(host, err)}
	}
	return en, nil
}

func (e *Engine) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	ping, err := e.api.Ping(ctx)
	if err != nil {
		return err
	}
	e.api.NegotiateAPIVersionPing(ping)
	return nil
}

// Host is the endpoint that was opened, as an URL.
func (e *Engine) Host() string { return e.host }

// Local reports whether the engine is reached over a socket of this machine.
func (e *Engine) Local() bool { return strings.HasPrefix(e.host, "unix://") }

// Ping asks the engine for a sign of life.
func (e *Engine) Ping(ctx context.Context) error {
	if _, err := e.api.Ping(ctx); err != nil {
		return fmt.Errorf("engine %s: %w", e.host, err)
	}
	return nil
}

// Close drops the connections.
func (e *Engine) Close() error {
	err := e.api.Close()
	if merr := e.moby.Close(); err == nil {
		err = merr
	}
	return err
}

// Info describes the engine.
func (e *Engine) Info(ctx context.Context) (engine.Info, error) {
	in, err := e.api.Info(ctx)
	if err != nil {
		return engine.Info{}, fmt.Errorf("engine info: %w", err)
	}
	out := engine.Info{
		ID:            in.ID,
		Name:          in.Name,
		Version:       in.ServerVersion,
		APIVersion:    e.api.ClientVersion(),
		OS:            in.OSType,
		Arch:          goArch(in.Architecture),
		StorageDriver: in.Driver,
		RootDir:       in.DockerRootDir,
		CPUs:          in.NCPU,
		Memory:        in.MemTotal,
		Time:          parseTime(in.SystemTime),
	}
	for _, s := range in.DriverStatus {
		if s[0] == "driver-type" && strings.HasPrefix(s[1], "io.containerd.snapshotter") {
			out.ContainerdStore = true
		}
	}
	return out, nil
}

// goArch translates the kernel's name of an architecture into Go's.
func goArch(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "":
		return runtime.GOARCH
	}
	return machine
}

func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
