package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promote"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/step"
)

// target wires a promotion's steps to this agent's engine.
func (s *Server) target(r *running, model []byte) step.Target {
	env := s.environment(r.spec)
	p := point{dir: r.folder.Restore(), bundle: &bundle{}, seal: func(ctx context.Context, p point) error { return s.seal(ctx, r, p) }}
	return step.Target{
		ID: r.id, Project: r.spec.Project,
		Stack:  &stack{env: env, model: model},
		Images: images{s.engine},
		Databases: func(name string) (step.Database, error) {
			ctx := context.Background()
			db, err := env.database(ctx, name, p)
			if !errors.Is(err, postgres.ErrPassword) || !r.journal.State().RollingBack {
				return db, err
			}
			return env.databaseAgain(ctx, name, p, r.note)
		},
		Volumes:   &volumes{env: env, point: p},
		Checkout:  &checkout{env: env},
		Rehearser: &rehearsing{server: s, r: r, point: p, model: model},
		Checks:    &checks{env: env, plan: r.plan, point: p, commander: r.asker, tested: func() []promotion.Check { return promote.Checks(r.journal.Records(), promotion.Test) }},
		Point:     p,
	}
}

// database opens a server of the environment by its name.
func (e *environment) database(ctx context.Context, name string, p point) (*database, error) {
	found, err := e.find(ctx, name, p)
	if err != nil {
		return nil, err
	}
	pg, err := found.open(ctx)
	if err != nil {
		return nil, err
	}
	return &database{found: found, pg: pg, tools: &toolbox{env: e, found: found, major: pg.Major()}, point: p}, nil
}

// find is a server of the environment by its name.
func (e *environment) find(ctx context.Context, name string, p point) (databaseServer, error) {
	// In the middle of a rollback there may be no container at all: a server outside the stack is there all the same, and is
	// reached by the networks that the containers had.
	if err := e.rejoin(ctx, p); err != nil {
		return databaseServer{}, err
	}
	// The networks that were just joined may have given the server another address to be reached at.
	all, err := e.engine.Containers(ctx, e.spec.Project)
	if err != nil {
		return databaseServer{}, err
	}
	all = slices.DeleteFunc(all, func(c engine.Container) bool { return c.OneOff })
	servers, err := e.servers(ctx, all)
	if err != nil {
		return databaseServer{}, err
	}
	at := slices.IndexFunc(servers, func(s databaseServer) bool { return s.name == name })
	if at < 0 {
		return databaseServer{}, fmt.Errorf("database server %s is not there any more", name)
	}
	return servers[at], nil
}

// rejoin attaches the agent to the networks of the containers that run, and to those that the restore point recorded.
func (e *environment) rejoin(ctx context.Context, p point) error {
	all, err := e.engine.Containers(ctx, e.spec.Project)
	if err != nil {
		return err
	}
	if err := e.join(ctx, all); err != nil {
		return err
	}
	if p.dir == "" {
		return nil
	}
	data, err := p.Read(step.RecordFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	record, err := decodeRecord(data)
	if err != nil {
		return err
	}
	var then []engine.Container
	for _, c := range record.Containers {
		addresses := map[string]string{}
		for name := range c.Networks {
			addresses[name] = ""
		}
		then = append(then, engine.Container{State: "running", Addresses: addresses})
	}
	for _, name := range networksOf(then) {
		one := []engine.Container{{State: "running", Addresses: map[string]string{name: ""}}}
		if err := e.join(ctx, one); err != nil && !errors.Is(err, compose.ErrNotFound) { // gone with its containers
			return err
		}
	}
	return nil
}

// images are the engine's.
type images struct{ engine *compose.Engine }

// Tag implements step.Images.
func (i images) Tag(ctx context.Context, id, ref string) error {
	return i.engine.TagImage(ctx, id, ref)
}

// Untag implements step.Images.
func (i images) Untag(ctx context.Context, ref string) error { return i.engine.RemoveImage(ctx, ref) }

// Has implements step.Images.
func (i images) Has(ctx context.Context, id string) (bool, error) { return i.engine.HasImage(ctx, id) }

// toolbox runs the server's own client programs in containers of its image, beside it: paths below the state folder are
// the same there and here.
type toolbox struct {
	env   *environment
	found databaseServer
	major int
}

// place is the image that the programs run in, and the container whose network they share.
func (t *toolbox) place(ctx context.Context) (image, network string, err error) {
	if c := t.found.container; c.ID != "" {
		return c.ImageID, c.ID, nil
	}
	image, err = t.env.clientImage(ctx, t.major)
	return image, t.env.self, err
}

// Dir implements postgres.Tools.
func (t *toolbox) Dir() string { return toolDir }

// toolDir is where the client programs' files and pipes lie.
const toolDir = StateDir + "/tmp"

// Run implements postgres.Tools.
func (t *toolbox) Run(ctx context.Context, tool postgres.Tool) error {
	image, network, err := t.place(ctx)
	if err != nil {
		return err
	}
	env := map[string]string{"HOME": "/tmp", "LC_ALL": "C", "PATH": cmp.Or(t.found.container.Env["PATH"], "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")}
	for _, kv := range tool.Env {
		for i := range kv {
			if kv[i] == '=' {
				env[kv[:i]] = kv[i+1:]
				break
			}
		}
	}
	code, stderr, err := t.env.engine.RunTool(ctx, compose.ToolSpec{
		Image: image, Entrypoint: []string{tool.Program}, Args: tool.Args, Env: env, User: "0:0", NetworkContainer: network,
		Mounts: []engine.Mount{{Type: "volume", Name: StateVolume(t.env.spec.Project), Target: StateDir, RW: true}},
		Labels: t.env.labels("tool"),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", tool.Program, err)
	}
	if code != 0 {
		return fmt.Errorf("%s: exit status %d: %s", tool.Program, code, stderr)
	}
	return nil
}

func (e *environment) labels(role string) map[string]string {
	return map[string]string{LabelRole: role, LabelProject: e.spec.Project}
}

// helper runs this program itself in a container with other mounts.
func (e *environment) helper(ctx context.Context, mounts []engine.Mount, args ...string) (string, error) {
	var out limited
	code, stderr, err := e.engine.RunTool(ctx, compose.ToolSpec{
		Image: e.spec.Image, Args: append([]string{"agent"}, args...), User: "0:0", Mounts: mounts, Labels: e.labels("tool"), Stdout: &out,
	})
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", fmt.Errorf("%s: exit status %d: %s", args[0], code, stderr)
	}
	return out.String(), nil
}

// limited keeps the first 64 KiB of what a helper prints.
type limited struct{ buf []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.buf = append(l.buf, p[:min(len(p), 64<<10-len(l.buf))]...)
	return len(p), nil
}

func (l *limited) String() string { return string(l.buf) }
