package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/plan"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/rehearsal"
	"github.com/org/promote-action/internal/step"
)

// RehearseRequest asks for a rehearsal: what the plan's release does to a copy of the databases, and whether the present
// release runs on what it leaves.
type RehearseRequest struct {
	Spec   Spec          `json:"spec"`
	Plan   plan.Plan     `json:"plan"`
	Model  []byte        `json:"model"` // of the release, pinned
	Source []SchemaOf    `json:"source,omitempty"`
	Limit  time.Duration `json:"limit"` // of the whole; 0 is RehearsalLimit
}

// RehearsalLimit is how long a rehearsal may take when nobody says otherwise.
const RehearsalLimit = 20 * time.Minute

// SchemaOf is the definition of one database.
type SchemaOf struct {
	Server   string            `json:"server"`
	Database string            `json:"database"`
	Objects  map[string]string `json:"objects"`
}

// schemas reads the definitions of all databases of an environment.
func (s *Server) schemas(ctx context.Context, in *json.Decoder, _ *answer) (any, error) {
	spec, err := decode[Spec](in)
	if err != nil {
		return nil, err
	}
	env := s.environment(spec)
	all, err := env.containers(ctx)
	if err != nil {
		return nil, err
	}
	if err := env.join(ctx, all); err != nil {
		return nil, err
	}
	servers, err := env.servers(ctx, all)
	if err != nil {
		return nil, err
	}
	out := []SchemaOf{}
	for _, found := range servers {
		pg, err := found.open(ctx)
		if err != nil {
			return nil, err
		}
		list, err := pg.Databases(ctx)
		if err != nil {
			return nil, err
		}
		for _, db := range found.wanted(list) {
			schema, err := pg.SchemaFingerprint(ctx, db.Name)
			if err != nil {
				return nil, err
			}
			out = append(out, SchemaOf{Server: found.name, Database: db.Name, Objects: schema.Objects})
		}
	}
	return out, nil
}

// rehearse answers a request with a compare.Rehearsal. Only the agent that may promote is asked: nobody promotes meanwhile,
// and of two rehearsals of one project the second finds the lock.
func (s *Server) rehearse(ctx context.Context, in *json.Decoder, a *answer) (any, error) {
	req, err := decode[RehearseRequest](in)
	if err != nil {
		return nil, err
	}
	if s.options.Reader {
		return nil, &Error{Message: "a rehearsal is the work of the agent that promotes"}
	}
	told := make(chan string, 16)
	done := make(chan compare.Rehearsal, 1)
	go func() {
		r := s.rehearser(req, func(message string) {
			select {
			case told <- message:
			case <-ctx.Done():
			}
		})
		done <- r.run(ctx)
	}()
	beat := time.NewTicker(5 * time.Second)
	defer beat.Stop()
	event := promotion.Event{Type: promotion.StepProgress}
	for {
		select {
		case r := <-done:
			return r, nil
		case event.Message = <-told:
		case <-beat.C: // a line, so that a dead connection is noticed
		}
		event.Time = time.Now()
		if err := a.event(event); err != nil {
			<-done // it removes what it made, since ctx ends with the connection
			return nil, err
		}
	}
}

func (s *Server) rehearser(req RehearseRequest, tell func(string)) *rehearser {
	return &rehearser{
		env: s.environment(req.Spec), req: req, tell: tell, twin: twinOf(req.Spec.Project), started: time.Now(),
		out: compare.Rehearsal{At: time.Now().UTC(), Databases: []compare.RehearsedData{}, Migration: []compare.RehearsedJob{}},
	}
}

// run plays the rehearsal, and removes all that it made. It never fails: what went wrong is part of the result.
func (r *rehearser) run(ctx context.Context) compare.Rehearsal {
	limit := r.req.Limit
	if limit <= 0 {
		limit = RehearsalLimit
	}
	bounded, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the rehearsal took longer than %s", limit))
	defer cancel()
	if err := r.play(bounded); err != nil {
		if bounded.Err() != nil {
			err = context.Cause(bounded)
		}
		r.out.Error = oneLine(err.Error())
	}
	r.clean(ctx)
	r.out.Took = time.Since(r.started).Seconds()
	return r.out
}

// twinOf is the stack in which a project is rehearsed.
func twinOf(project string) compose.Twin {
	return compose.Twin{Project: "promote-rehearsal-" + project, Labels: map[string]string{LabelRole: RoleRehearsal, LabelProject: project}}
}

// RoleRehearsal is the role of what is made for a rehearsal.
const RoleRehearsal = "rehearsal"

// SweepRehearsal removes what a killed rehearsal of the project left on the engine. Nobody may be rehearsing.
func SweepRehearsal(ctx context.Context, e *compose.Engine, project string) error {
	return e.CloseTwin(ctx, twinOf(project))
}

// rehearser is one rehearsal under way.
type rehearser struct {
	env      *environment
	req      RehearseRequest
	twin     compose.Twin
	tell     func(string)
	started  time.Time
	out      compare.Rehearsal
	evidence rehearsal.Evidence
	record   compose.Record // of the twin
	need     int64          // bytes
	servers  []*rehearsed
}

// rehearsed is one database server and its copy.
type rehearsed struct {
	live      *database
	copy      *database
	databases []*rehearsedDatabase
}

type rehearsedDatabase struct {
	name    string
	data    compare.RehearsedData
	witness *postgres.Witness
	locks   func() []postgres.Lock
}

// rehearsalDir holds the dumps of a rehearsal while they are copied.
const rehearsalDir = toolDir + "/rehearsal"

func (r *rehearser) point() point {
	return point{dir: rehearsalDir}
}

func (r *rehearser) play(ctx context.Context) error {
	if err := r.clear(ctx); err != nil {
		return fmt.Errorf("remove what an earlier rehearsal left: %w", err)
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	if err := r.room(); err != nil {
		return err
	}
	if err := r.env.engine.OpenTwin(ctx, r.twin); err != nil {
		return err
	}
	for _, server := range r.servers {
		if err := r.copyServer(ctx, server); err != nil {
			return fmt.Errorf("copy of %s: %w", server.live.found.name, err)
		}
	}
	if err := r.migrate(ctx); err != nil {
		return err
	}
	return r.prove(ctx)
}

// clear removes what there is of the twin, and the dumps.
func (r *rehearser) clear(ctx context.Context) error {
	return errors.Join(SweepRehearsal(ctx, r.env.engine, r.env.spec.Project), os.RemoveAll(r.point().dir))
}

func (r *rehearser) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	for _, server := range r.servers {
		for _, db := range server.databases {
			if db.locks != nil {
				db.locks()
			}
		}
	}
	if err := r.clear(ctx); err != nil {
		r.out.Left = append(r.out.Left, "the stack "+r.twin.Project+": "+oneLine(err.Error()), "promote recover removes it")
	}
}

// look finds the servers, and that all images are here.
func (r *rehearser) look(ctx context.Context) error {
	all, err := r.env.containers(ctx)
	if err != nil {
		return err
	}
	if err := r.env.join(ctx, all); err != nil {
		return err
	}
	for _, c := range r.req.Plan.Changes {
		if c.To == "" || (c.Action != plan.Run && c.Action != plan.Replace && c.Action != plan.Start) {
			continue
		}
		has, err := r.env.engine.HasImage(ctx, c.To)
		if err != nil {
			return err
		}
		if !has {
			return &Error{Message: fmt.Sprintf("the image of %s (%s) is not on the target's engine", c.Service, c.ToName), Hint: "bring it there (docker pull), or let a promotion rehearse: policy.rehearse: on"}
		}
	}
	servers, err := r.env.servers(ctx, all)
	if err != nil {
		return err
	}
	if len(servers) == 0 {
		return errors.New("the environment has no database that promote knows of: there is nothing to rehearse")
	}
	for _, found := range servers {
		if found.container.ID == "" {
			return fmt.Errorf("database server %s is outside the stack: its migration cannot be rehearsed", found.name)
		}
		pg, err := found.open(ctx)
		if err != nil {
			return err
		}
		live := &database{found: found, pg: pg, tools: &toolbox{env: r.env, found: found, major: pg.Major()}, point: r.point()}
		list, err := pg.Databases(ctx)
		if err != nil {
			return err
		}
		server := &rehearsed{live: live}
		for _, db := range found.wanted(list) {
			server.databases = append(server.databases, &rehearsedDatabase{name: db.Name, data: compare.RehearsedData{Server: found.name, Database: db.Name, Copy: "dump"}})
			r.size(db.Size)
		}
		r.servers = append(r.servers, server)
	}
	var model *compose.Model
	if model, err = compose.UnmarshalModel(r.req.Model); err != nil {
		return err
	}
	live, err := r.env.engine.Record(ctx, r.env.spec.Project, model)
	if err != nil {
		return err
	}
	var left []string
	if r.record, left, err = live.Twin(r.twin); err != nil {
		return err
	}
	for _, name := range left {
		r.doubt("%s shares the network of another container, so that it could not be rehearsed", name)
	}
	return nil
}

func (r *rehearser) doubt(format string, args ...any) {
	r.evidence.Doubts = append(r.evidence.Doubts, fmt.Sprintf(format, args...))
}

// size adds the room that the copy of a database takes: the new database with its indexes, its log, the archive that it is loaded from and the
// compressed dump.
func (r *rehearser) size(bytes int64) { r.need += max(bytes, 0)*5/2 + 256<<20 }

// room refuses a copy that would fill the disk.
func (r *rehearser) room() error {
	free, total := disk(StateDir)
	if total == 0 {
		return errors.New("the free space of the engine's disk could not be read: nothing is copied")
	}
	if r.need > free-total/20 {
		return &Error{
			Message: fmt.Sprintf("a copy of the databases may take %s, and %s of %s are free, of which 5 %% are left alone", step.Bytes(r.need), step.Bytes(free), step.Bytes(total)),
			Hint:    "free space on the engine's host (docker system df)",
		}
	}
	return nil
}

// services are those of the release as the plan starts them.
func (r *rehearser) services() (jobs []string, start *step.StartServices) {
	start = &step.StartServices{}
	for _, item := range r.req.Plan.Steps {
		switch s := item.Step.(type) {
		case *step.RunJob:
			jobs = append(jobs, s.Service)
		case *step.StartServices:
			start = s
		}
	}
	return jobs, start
}

// twinEnvironment is the twin as the agent sees it.
func (r *rehearser) twinEnvironment() *environment {
	spec := r.env.spec
	spec.Project = r.twin.Project
	spec.Services = map[string]ServiceSpec{}
	here := map[string]bool{}
	for _, c := range r.record.Containers {
		here[c.Service] = true
	}
	for name, svc := range r.env.spec.Services {
		if here[name] {
			svc.Replicas, svc.P95 = 1, 0 // how quick it is beside all else says nothing
			spec.Services[name] = svc
		}
	}
	spec.Custom = nil
	for _, c := range r.env.spec.Custom {
		if c.Command == nil && (c.HTTP == nil || c.HTTP.URL == "") { // what reaches outside would ask the real one
			spec.Custom = append(spec.Custom, c)
		}
	}
	return &environment{spec: spec, engine: r.env.engine, self: r.env.self}
}

// container is the twin's container of a service.
func (r *rehearser) container(ctx context.Context, service string) (engine.Container, error) {
	all, err := r.env.engine.Containers(ctx, r.twin.Project)
	if err != nil {
		return engine.Container{}, err
	}
	for _, c := range all {
		if c.Service == service {
			return c, nil
		}
	}
	return engine.Container{}, fmt.Errorf("the copy of %s is gone", service)
}

// databaseServices are the services of the servers.
func (r *rehearser) databaseServices() []string {
	names := map[string]bool{}
	for _, server := range r.servers {
		names[server.live.found.service] = true
	}
	return slices.Sorted(maps.Keys(names))
}
