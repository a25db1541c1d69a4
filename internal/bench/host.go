package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/org/promote-action/internal/demo"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/process"
)

// What a run makes on the engine. The names are fixed, since only one run can be at work: the next one removes what a killed
// one left.
const (
	benchLabel    = "dev.promote.bench"
	serverName    = "promote-bench-postgres"
	projectPrefix = "promote-bench"
	dirPrefix     = "promote-bench-"
)

// host is this machine and its engine.
type host struct {
	stack      *compose.Engine
	api        *client.Client
	use        *demo.Use
	images     map[string]bool // that were there before
	dir        string
	self       string // this program
	version    string
	processors int
}

func openHost(ctx context.Context) (h *host, err error) {
	h = &host{processors: runtime.NumCPU()}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.self, err = os.Executable(); err != nil {
		return h, err
	}
	if h.stack, err = compose.Open(ctx, engine.Endpoint{}); err != nil {
		return h, err
	}
	if h.api, err = demo.Connect(h.stack.Host()); err != nil {
		return h, err
	}
	v, err := h.api.ServerVersion(ctx)
	if err != nil {
		return h, err
	}
	h.version = v.Version
	if err := h.remove(ctx); err != nil {
		return h, err
	}
	if h.use, err = demo.UseImages(ctx); err != nil {
		return h, err
	}
	if h.images, err = demo.Images(ctx, h.api); err != nil {
		return h, err
	}
	h.dir, err = os.MkdirTemp("", dirPrefix)
	return h, err
}

// remove removes what this run or a killed one made.
func (h *host) remove(ctx context.Context) error {
	mine := filters.NewArgs(filters.Arg("label", benchLabel+"=1"))
	list, err := h.api.ContainerList(ctx, container.ListOptions{All: true, Filters: mine})
	errs := []error{err}
	for _, c := range list {
		errs = append(errs, h.api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	}
	volumes, err := h.api.VolumeList(ctx, volume.ListOptions{Filters: mine})
	errs = append(errs, err)
	for _, v := range volumes.Volumes {
		errs = append(errs, h.api.VolumeRemove(ctx, v.Name, true))
	}
	for _, side := range []string{"-dev", "-staging"} {
		errs = append(errs, demo.RemovePromoted(ctx, h.api, projectPrefix+side))
	}
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		if dir != filepath.Dir(h.self) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}

// close removes everything; a caller's interrupt does not keep it from that.
func (h *host) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var errs []error
	if h.api != nil {
		errs = append(errs, h.remove(ctx))
		if h.use != nil && h.images != nil {
			errs = append(errs, h.use.RemoveNewImages(ctx, h.api, h.images))
		}
		_ = h.api.Close()
	}
	if h.use != nil {
		h.use.Close()
	}
	if h.stack != nil {
		h.stack.Close()
	}
	return errors.Join(errs...)
}

// command runs a program of this machine with the caller's Docker endpoint.
func (h *host) command(ctx context.Context, path string, args []string, env ...string) ([]byte, error) {
	for _, key := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return process.Output(ctx, process.Command{Path: path, Args: args, Dir: h.dir, Env: env})
}

// server is the container that the database figures are taken in.
type server struct{ h *host }

func (h *host) startServer(ctx context.Context, image string) (*server, error) {
	for _, v := range []string{serverName + "-data", serverName + "-dumps"} {
		if _, err := h.api.VolumeCreate(ctx, volume.CreateOptions{Name: v, Labels: map[string]string{benchLabel: "1"}}); err != nil {
			return nil, err
		}
	}
	_, err := h.command(ctx, "docker", []string{
		"run", "--detach", "--name", serverName, "--label", benchLabel + "=1", "--shm-size", "256m",
		"--env", "POSTGRES_HOST_AUTH_METHOD=trust", "--env", "POSTGRES_USER=postgres", "--volume", h.self + ":/bench:ro",
		"--volume", serverName + "-data:/var/lib/postgresql/data", "--volume", serverName + "-dumps:/dumps", image,
	})
	if err != nil {
		return nil, err
	}
	s := &server{h}
	if _, err := h.command(ctx, "docker", []string{"exec", serverName, "chown", "postgres:", "/dumps"}); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		_, err := h.command(ctx, "docker", []string{"exec", serverName, "pg_isready", "-q", "-h", "127.0.0.1"})
		if err == nil {
			return s, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// taken is what one measurement inside gave.
type taken struct {
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes,omitempty"`
}

// do runs a part of inside in the container. Starting the command is not part of the time.
func (s *server) do(ctx context.Context, args ...string) (taken, error) {
	var t taken
	out, err := s.h.command(ctx, "docker", append([]string{"exec", "--user", "postgres", serverName, "/bench", "inside"}, args...))
	if err != nil {
		return t, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return t, json.Unmarshal(out, &t)
}
