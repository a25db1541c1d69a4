package driver

import (
	"context"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/engine/compose"
)

// History reads the promotions of an environment, newest first.
func (d *Driver) History(ctx context.Context, name string) (agent.History, error) {
	env, err := d.Open(ctx, name)
	if err != nil {
		return agent.History{}, err
	}
	r, err := d.Reader(ctx, env)
	if err != nil {
		return agent.History{}, err
	}
	defer r.Close()
	return history(ctx, env, r)
}

func history(ctx context.Context, env *Environment, r *agent.Remote) (agent.History, error) {
	var h agent.History
	err := r.Call(ctx, "history", struct{}{}, &h, nil)
	return h, told(err, env.Name)
}

// Inventory is what an environment consists of, as its configuration and Compose model say.
type Inventory struct {
	Environment string
	Project     string
	Host        string
	Services    []string
	Jobs        []string // one-shots among them
	Databases   []string // as configured, or the services that look like PostgreSQL
	Disabled    []string // by profiles
	Warnings    []string
}

// Inventory loads the Compose model of an environment without asking any engine.
func (d *Driver) Inventory(ctx context.Context, name string) (Inventory, error) {
	conf, err := d.Config.Environment(name)
	if err != nil {
		return Inventory{}, err
	}
	env := &Environment{Environment: conf}
	if env.Model, err = d.load(ctx, conf); err != nil {
		return Inventory{}, err
	}
	d.spec(env)
	i := Inventory{Environment: name, Project: conf.Compose.Project, Host: conf.Host, Disabled: env.Model.Disabled(), Warnings: env.Model.Warnings()}
	known := append([]string(nil), i.Disabled...)
	for _, db := range env.Spec.Databases {
		i.Databases = append(i.Databases, db.Name)
	}
	for _, svc := range env.Model.Services() {
		known = append(known, svc.Name)
		i.Services = append(i.Services, svc.Name)
		if env.Spec.Services[svc.Name].OneShot {
			i.Jobs = append(i.Jobs, svc.Name)
		}
		if len(env.Spec.Databases) == 0 && agent.IsPostgres(svc.Image, svc.Env, env.Spec.Services[svc.Name].Ports) {
			i.Databases = append(i.Databases, svc.Name)
		}
	}
	return i, d.Config.CheckServices(name, known)
}

// load reads the Compose model of an environment.
func (d *Driver) load(ctx context.Context, conf config.Environment) (*compose.Model, error) {
	return compose.Load(ctx, compose.Source{
		Project: conf.Compose.Project, Directory: d.directory(conf), Files: conf.Compose.Files, EnvFiles: conf.Compose.EnvFiles, Profiles: conf.Compose.Profiles, Env: d.environ(),
	})
}
