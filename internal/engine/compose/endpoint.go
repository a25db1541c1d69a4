package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/connhelper"
	"github.com/docker/cli/cli/flags"
	mobyclient "github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/org/promote-action/internal/engine"
)

// EndpointError is an engine that could not be opened.
type EndpointError struct {
	Host string
	Err  error
	Hint string // what to do
}

func (e *EndpointError) Error() string {
	host := e.Host
	if host == "" {
		host = "the caller's own endpoint"
	}
	return fmt.Sprintf("engine at %s: %v: %s", host, e.Err, e.Hint)
}

func (e *EndpointError) Unwrap() error { return e.Err }

// sshFlags make SSH fail instead of asking, and refuse a host that known_hosts does not hold.
var sshFlags = []string{"-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"}

// dial returns the endpoint's resolved URL and a client that connects to it on first use.
func dial(e engine.Endpoint) (string, *mobyclient.Client, error) {
	switch {
	case e.Host == "":
		return dialCaller()
	case strings.HasPrefix(e.Host, "ssh://"):
		c, err := dialSSH(e.Host)
		return e.Host, c, err
	case strings.HasPrefix(e.Host, "unix://"):
		c, err := mobyclient.New(mobyclient.WithHost(e.Host), mobyclient.WithTraceProvider(noop.NewTracerProvider()))
		return e.Host, c, err
	case strings.HasPrefix(e.Host, "tcp://"):
		opts := []mobyclient.Opt{mobyclient.WithTraceProvider(noop.NewTracerProvider())}
		if e.CA != "" || e.Cert != "" || e.Key != "" {
			if e.CA == "" || e.Cert == "" || e.Key == "" {
				return e.Host, nil, errors.New("TLS needs all of ca, cert and key")
			}
			opts = append(opts, mobyclient.WithTLSClientConfig(e.CA, e.Cert, e.Key))
		}
		c, err := mobyclient.New(append(opts, mobyclient.WithHost(e.Host))...)
		return e.Host, c, err
	}
	return e.Host, nil, errors.New("unknown kind of address")
}

// dialCaller resolves what the docker command would use: DOCKER_HOST, DOCKER_CONTEXT, the current context, the socket.
func dialCaller() (string, *mobyclient.Client, error) {
	cli, err := command.NewDockerCli(command.WithInputStream(io.NopCloser(strings.NewReader(""))), command.WithOutputStream(io.Discard), command.WithErrorStream(io.Discard))
	if err != nil {
		return os.Getenv("DOCKER_HOST"), nil, err
	}
	level := clientOptions()
	if err := cli.Initialize(level); err != nil {
		return os.Getenv("DOCKER_HOST"), nil, err
	}
	ep := cli.DockerEndpoint()
	if strings.HasPrefix(ep.Host, "ssh://") {
		c, err := dialSSH(ep.Host)
		return ep.Host, c, err
	}
	opts, err := ep.ClientOpts()
	if err != nil {
		return ep.Host, nil, err
	}
	c, err := mobyclient.New(append(opts, mobyclient.WithTraceProvider(noop.NewTracerProvider()))...)
	return ep.Host, c, err
}

func clientOptions() *flags.ClientOptions {
	o := flags.NewClientOptions()
	o.LogLevel = "warn"
	return o
}

// dialSSH goes through Docker's own helper, which runs ssh and "docker system dial-stdio" on the other side.
func dialSSH(host string) (*mobyclient.Client, error) {
	if u, err := url.Parse(host); err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not ssh://[user@]host[:port]", host)
	}
	helper, err := connhelper.GetConnectionHelperWithSSHOpts(host, sshFlags)
	if err != nil {
		return nil, err
	}
	return mobyclient.New(
		mobyclient.WithHTTPClient(&http.Client{Transport: &http.Transport{DialContext: helper.Dialer}}),
		mobyclient.WithHost(helper.Host),
		mobyclient.WithDialContext(helper.Dialer),
		mobyclient.WithTraceProvider(noop.NewTracerProvider()),
	)
}

func dialContext(d func(context.Context) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return d(ctx) }
}

// hint says what to do about an engine that cannot be opened.
func hint(host string, err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "Host key verification failed"):
		return "add the host's key to known_hosts (ssh-keyscan, then compare the fingerprint)"
	case strings.HasPrefix(host, "ssh://"):
		return "try `ssh " + strings.TrimPrefix(host, "ssh://") + " docker version`; the user there must be allowed to use Docker"
	case errors.Is(err, os.ErrPermission) || strings.Contains(text, "permission denied"):
		return "let this user use the socket (group docker), or mount it into the container with access"
	case strings.HasPrefix(host, "tcp://"):
		return "check the address and the TLS files (ca, cert, key) with `docker --host " + host + " version`"
	case host == "" || strings.HasPrefix(host, "unix://"):
		return "start Docker, or name another engine with host: unix://…, ssh://user@host or tcp://…"
	}
	return "accepted are unix://PATH, ssh://[user@]host[:port], tcp://host:port, or nothing for the caller's own endpoint"
}

// since reports whether the engine speaks at least API version v.
func (e *Engine) since(v string) bool { return !versions.LessThan(e.api.ClientVersion(), v) }
