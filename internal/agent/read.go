package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/postgres"
	"github.com/org/promote-action/internal/snapshot"
)

// Read takes a snapshot of the environment. What cannot be read is listed as missing; only an engine that does not answer
// and a project without containers are errors.
func (e *environment) Read(ctx context.Context) (snapshot.Snapshot, error) {
	s := snapshot.Snapshot{Schema: snapshot.Schema, Environment: e.spec.Environment, Project: e.spec.Project, TakenAt: time.Now().UTC()}
	info, err := e.engine.Info(ctx)
	if err != nil {
		return s, err
	}
	s.Engine = snapshot.Engine{ID: info.ID, Name: info.Name, Version: info.Version, APIVersion: info.APIVersion, OS: info.OS, Arch: info.Arch, CPUs: info.CPUs, Time: info.Time}
	s.Engine.DiskFree, s.Engine.DiskTotal = disk("/")
	all, err := e.containers(ctx)
	if err != nil {
		return s, err
	}
	if err := e.services(ctx, &s, all); err != nil {
		return s, err
	}
	if err := e.join(ctx, all); err != nil {
		s.Missing = append(s.Missing, snapshot.Missing{Part: "network", Reason: err.Error()})
	}
	e.databases(ctx, &s, all)
	e.volumes(ctx, &s, all)
	s.Networks = networksOf(all)
	s.Sort()
	return s, nil
}

// disk is the room of the file system below path, in bytes.
func disk(path string) (free, total int64) {
	var st syscall.Statfs_t
	if syscall.Statfs(path, &st) != nil {
		return 0, 0
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize
}

func (e *environment) services(ctx context.Context, s *snapshot.Snapshot, all []engine.Container) error {
	images := map[string]engine.Image{}
	for _, c := range all {
		if _, known := images[c.ImageID]; known {
			continue
		}
		image, err := e.engine.Image(ctx, c.ImageID)
		if err != nil {
			s.Missing = append(s.Missing, snapshot.Missing{Part: "image of " + c.Name, Reason: err.Error()})
		}
		images[c.ImageID] = image
	}
	var stats map[string]engine.Stats
	if e.spec.Stats {
		stats = e.stats(ctx, all)
	}
	waited := awaited(all)
	byName := map[string]*snapshot.Service{}
	for _, c := range all {
		svc, ok := byName[c.Service]
		if !ok {
			svc = &snapshot.Service{Name: c.Service}
			byName[c.Service] = svc
		}
		image := images[c.ImageID]
		sc := snapshot.Container{
			ID: c.ID, Name: c.Name, Image: c.Image, ImageID: c.ImageID, RepoDigests: image.RepoDigests, Version: image.Labels["org.opencontainers.image.version"],
			Revision: image.Labels["org.opencontainers.image.revision"], ImageCreated: image.Created, ImageSize: image.Size, State: c.State, Health: c.Health,
			HasHealthcheck: c.HasHealthcheck, ExitCode: c.ExitCode, Restarts: c.Restarts, StartedAt: c.StartedAt, Created: c.CreatedAt, Restart: c.RestartPolicy,
			ConfigHash: c.ConfigHash, ComposeVersion: c.ComposeVersion, StopSignal: c.StopSignal, CPUPercent: stats[c.ID].CPU * 100, Memory: stats[c.ID].Memory,
		}
		for _, m := range c.Mounts {
			if m.Type == "volume" && m.Name != "" {
				sc.Volumes = append(sc.Volumes, m.Name)
			}
		}
		svc.Containers = append(svc.Containers, sc)
		svc.Database = svc.Database || IsPostgres(c.Image, c.Env, ports(c))
		svc.OneShot = svc.OneShot || waited[c.Service] || e.spec.Services[c.Service].OneShot ||
			(c.State == "exited" && c.ExitCode == 0 && (c.RestartPolicy == "" || c.RestartPolicy == "no") && c.Restarts == 0)
	}
	for _, svc := range byName {
		s.Services = append(s.Services, *svc)
	}
	return nil
}

// awaited are the services for whose completion others wait.
func awaited(all []engine.Container) map[string]bool {
	jobs := map[string]bool{}
	for _, c := range all {
		for _, d := range c.DependsOn {
			if d.Condition == engine.ConditionCompleted {
				jobs[d.Service] = true
			}
		}
	}
	return jobs
}

func (e *environment) stats(ctx context.Context, all []engine.Container) map[string]engine.Stats {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	out := map[string]engine.Stats{}
	for _, c := range all {
		if c.State != "running" {
			continue
		}
		wg.Go(func() {
			if st, err := e.engine.Stats(ctx, c.ID); err == nil {
				mu.Lock()
				out[c.ID] = st
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return out
}

func (e *environment) databases(ctx context.Context, s *snapshot.Snapshot, all []engine.Container) {
	servers, err := e.servers(ctx, all)
	if err != nil {
		s.Missing = append(s.Missing, snapshot.Missing{Part: "databases", Reason: err.Error()})
		return
	}
	for _, found := range servers {
		server, err := readServer(ctx, found)
		if err != nil {
			s.Missing = append(s.Missing, snapshot.Missing{Part: "database server " + found.name, Reason: err.Error()})
			continue
		}
		s.Servers = append(s.Servers, server)
	}
}

func readServer(ctx context.Context, found databaseServer) (snapshot.Server, error) {
	server := snapshot.Server{Service: found.service, Name: found.name, Image: found.container.Image, ImageID: found.container.ImageID, User: found.conn.User, Note: found.note}
	pg, err := found.open(ctx)
	if err != nil {
		return server, err
	}
	info, err := pg.Info(ctx)
	if err != nil {
		return server, err
	}
	server.Version, server.Number = info.Version, info.Number
	list, err := pg.Databases(ctx)
	if err != nil {
		return server, err
	}
	wanted := found.wanted(list)
	for _, name := range found.only {
		if !slices.ContainsFunc(wanted, func(d postgres.Database) bool { return d.Name == name }) {
			return server, fmt.Errorf("there is no database %q; there are %s", name, names(list))
		}
	}
	for _, db := range wanted {
		d := snapshot.Database{Name: db.Name, Owner: db.Owner, Encoding: db.Encoding, Collate: db.Collate, CType: db.CType, Size: db.Size, Sessions: db.Sessions}
		if !db.AllowConnections {
			return server, fmt.Errorf("database %s takes no connections: a promotion was interrupted, or somebody closed it (ALTER DATABASE … ALLOW_CONNECTIONS true)", db.Name)
		}
		schema, err := pg.SchemaFingerprint(ctx, db.Name)
		if err != nil {
			return server, err
		}
		d.SchemaHash = schema.Hash
		for key := range schema.Objects {
			if len(key) > 6 && key[:6] == "table " {
				d.Tables++
			}
		}
		rights, err := pg.Rights(ctx, db.Name)
		if err != nil {
			return server, err
		}
		d.Rights = snapshot.Rights{Superuser: rights.Superuser, CreateDB: rights.CreateDB, Owner: rights.Owner, Signal: rights.Signal}
		for _, m := range rights.Missing {
			d.Rights.Missing = append(d.Rights.Missing, m.Grant)
		}
		server.Databases = append(server.Databases, d)
	}
	return server, nil
}

func names(list []postgres.Database) string {
	out := ""
	for _, d := range list {
		if d.IsTemplate {
			continue
		}
		if out != "" {
			out += ", "
		}
		out += d.Name
	}
	return out
}

// volumes lists the named volumes that the containers mount, those that the engine made without a name excepted.
func (e *environment) volumes(ctx context.Context, s *snapshot.Snapshot, all []engine.Container) {
	known, err := e.engine.Volumes(ctx, e.spec.Project)
	if err != nil {
		s.Missing = append(s.Missing, snapshot.Missing{Part: "volumes", Reason: err.Error()})
	}
	keys := map[string]engine.Volume{}
	for _, v := range known {
		keys[v.Name] = v
	}
	found := map[string]*snapshot.Volume{}
	for _, c := range all {
		for _, m := range c.Mounts {
			if m.Type != "volume" || anonymous(m.Name) {
				continue
			}
			v, ok := found[m.Name]
			if !ok {
				v = &snapshot.Volume{Name: m.Name, Key: keys[m.Name].Key, Driver: keys[m.Name].Driver}
				if v.Key == "" {
					v.Key = m.Name
				}
				found[m.Name] = v
			}
			if !slices.Contains(v.Services, c.Service) {
				v.Services = append(v.Services, c.Service)
			}
		}
	}
	for _, v := range found {
		slices.Sort(v.Services)
		s.Volumes = append(s.Volumes, *v)
	}
}

// anonymous reports whether a volume's name is one that the engine made up.
func anonymous(name string) bool {
	if len(name) != 64 {
		return false
	}
	for _, r := range name {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}
