// Package driver is the half of the program where it was called: it reads configuration and git, loads the Compose models,
// makes the plan, asks the agents, copies backups out, and tells what happened. It may die at any moment; what the target
// needs is at the target.
package driver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/org/promote-action/internal/agent"
	"github.com/org/promote-action/internal/check"
	"github.com/org/promote-action/internal/config"
	"github.com/org/promote-action/internal/engine"
	"github.com/org/promote-action/internal/engine/compose"
	"github.com/org/promote-action/internal/git"
	"github.com/org/promote-action/internal/promotion"
)

// View shows what happens while it happens.
type View interface {
	Event(promotion.Event)
	Note(level, text string)
	// Wait says what is being waited for; the returned function ends it.
	Wait(what string) (done func())
}

// Driver works for one configuration.
type Driver struct {
	Config     *config.Config
	View       View
	Executable string // of this program, which becomes the agent's image
	Version    string
	By         string              // who calls, as the lock shows it
	Run        string              // the run in a promotion's id
	Redact     func(secret string) // called with every secret before it is first used
	Now        func() time.Time    // nil is time.Now
	Environ    func() []string     // variables for Compose interpolation; nil is none
	Repository func() (git.State, error)

	open []*Environment
}

// Environment is one environment, reached.
type Environment struct {
	config.Environment
	Engine *compose.Engine
	Info   engine.Info
	Model  *compose.Model
	Spec   agent.Spec
	who    agent.Identity
	asked  time.Time // this machine's clock when Info was read
}

// Error is an error with an outcome and a hint.
type Error struct {
	Outcome promotion.Outcome
	Message string
	Advice  string
	Err     error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Hint is the next thing to do.
func (e *Error) Hint() string {
	if e.Advice != "" {
		return e.Advice
	}
	var said *agent.Error
	if errors.As(e.Err, &said) && said.Hint != "" {
		return said.Hint
	}
	var h interface{ Hint() string }
	if errors.As(e.Err, &h) {
		return h.Hint()
	}
	return ""
}

func (e *Error) Unwrap() error { return e.Err }

func (d *Driver) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

// Open reaches an environment: its engine answers, its Compose model loads.
func (d *Driver) Open(ctx context.Context, name string) (*Environment, error) {
	conf, err := d.Config.Environment(name)
	if err != nil {
		return nil, err
	}
	env := &Environment{Environment: conf}
	done := d.View.Wait("reach the engine of " + name)
	defer done()
	env.Engine, err = compose.Open(ctx, engine.Endpoint{Host: conf.Host, CA: conf.TLS.CA, Cert: conf.TLS.Cert, Key: conf.TLS.Key})
	if err != nil {
		return nil, unreachable(name, err)
	}
	d.open = append(d.open, env)
	if env.Info, err = env.Engine.Info(ctx); err != nil {
		return nil, &Error{Outcome: promotion.Refused, Message: "environment " + name, Err: err}
	}
	env.asked = d.now()
	env.Model, err = d.load(ctx, conf)
	if err != nil {
		return nil, &Error{Outcome: promotion.Refused, Message: "Compose model of " + name, Err: err, Advice: "docker compose config shows the same problem; variables come from env_files and the environment"}
	}
	d.spec(env)
	return env, nil
}

// directory is where Compose starts from: named, or that of the files, or the repository.
func (d *Driver) directory(conf config.Environment) string {
	switch {
	case conf.Compose.Directory != "":
		return conf.Compose.Directory
	case len(conf.Compose.Files) > 0:
		return filepath.Dir(conf.Compose.Files[0])
	default:
		return d.Config.Root
	}
}

// Close ends the connections to all engines.
func (d *Driver) Close() {
	for _, env := range d.open {
		_ = env.Engine.Close()
	}
	d.open = nil
}

// Prepare brings the agent's image to the environment's engine.
func (d *Driver) Prepare(ctx context.Context, env *Environment) error {
	if env.who.Image != "" {
		return nil
	}
	done := d.View.Wait("bring the agent to the engine of " + env.Name)
	defer done()
	image, err := agent.Load(ctx, env.Engine, d.Executable, d.Version)
	if err != nil {
		return &Error{Outcome: promotion.Refused, Message: "agent for " + env.Name, Err: err}
	}
	env.who = agent.Identity{Image: image, Executable: d.Executable, Version: d.Version, By: d.By, Volumes: snapshotVolumes(env)}
	env.Spec.Image = image
	return nil
}

// snapshotVolumes are the engine's names of the volumes that a promotion copies.
func snapshotVolumes(env *Environment) []string {
	var names []string
	for _, v := range env.Model.Volumes() {
		if env.Spec.Volumes[v.Key] == string(config.SnapshotVolume) || env.Spec.Volumes[v.Name] == string(config.SnapshotVolume) {
			names = append(names, v.Name)
		}
	}
	return names
}

// Reader starts an agent that reads the environment, and a function that ends it.
func (d *Driver) Reader(ctx context.Context, env *Environment) (*agent.Remote, error) {
	if err := d.Prepare(ctx, env); err != nil {
		return nil, err
	}
	r, err := agent.StartReader(ctx, env.Engine, env.Compose.Project, env.who)
	if err != nil {
		return nil, &Error{Outcome: promotion.Refused, Message: "agent in " + env.Name, Err: err}
	}
	return r, nil
}

// spec describes the environment to its agent.
func (d *Driver) spec(env *Environment) {
	s := agent.Spec{
		Environment: env.Name, Project: env.Compose.Project, Services: map[string]agent.ServiceSpec{}, Volumes: map[string]string{}, Timeout: d.Config.Settings.HealthTimeout,
	}
	for _, svc := range env.Model.Services() {
		conf := d.Config.Service(svc.Name)
		spec := agent.ServiceSpec{
			Kind: string(conf.Kind), Critical: *conf.Critical, OneShot: svc.OneShot || conf.Kind == config.Job, Replicas: svc.Replicas, DependsOn: svc.DependsOn, Injected: svc.Injected,
			Health:         check.Health{Path: conf.Health.HTTP, Port: conf.Health.Port, Status: conf.Health.Status, TCP: conf.Health.TCP},
			Version:        check.Version{Path: conf.Version.HTTP, Field: conf.Version.Field},
			StartupTimeout: time.Duration(conf.StartupTimeout), P95: time.Duration(conf.Thresholds.P95),
		}
		if conf.Thresholds.ErrorRate != nil {
			spec.ErrorRate = conf.Thresholds.ErrorRate.Fraction()
		}
		for _, p := range append(append([]engine.Port{}, svc.Exposed...), svc.Ports...) {
			if p.Protocol == "tcp" || p.Protocol == "" {
				if !slices.Contains(spec.Ports, p.Port) {
					spec.Ports = append(spec.Ports, p.Port)
				}
			}
		}
		s.Services[svc.Name] = spec
		d.hide(svc.Env)
	}
	for name, db := range env.Databases {
		s.Databases = append(s.Databases, agent.DatabaseSpec{
			Name: name, Service: db.Service, Database: db.Database, User: db.User, Password: db.Password.Reveal(), URL: db.URL.Reveal(),
		})
		for _, secret := range []string{db.Password.Reveal(), db.URL.Reveal()} {
			if secret != "" && d.Redact != nil {
				d.Redact(secret)
			}
		}
	}
	slices.SortFunc(s.Databases, func(a, b agent.DatabaseSpec) int { return cmp.Compare(a.Name, b.Name) })
	for name, policy := range d.Config.Volumes {
		s.Volumes[name] = string(policy)
	}
	env.Spec = s
}

// hide registers the values of variables that look like secrets by their name.
func (d *Driver) hide(env map[string]string) {
	if d.Redact == nil {
		return
	}
	for key, value := range env {
		if secretKey.MatchString(key) && !strings.HasSuffix(strings.ToUpper(key), "_FILE") && len(value) >= 4 { // a file's name is no secret
			d.Redact(value)
		}
		if u, err := url.Parse(value); err == nil && u.User != nil {
			if password, set := u.User.Password(); set && password != "" {
				d.Redact(password)
			}
		}
	}
}

var secretKey = regexp.MustCompile(`(?i)(pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credential|access_?key|auth|dsn|signing|salt|encryption)`)

// custom are the project's own checks of a stage.
func (d *Driver) custom(env *Environment, stage config.Stage) []check.Custom {
	var out []check.Custom
	for _, c := range d.Config.ChecksFor(env.Name, stage) {
		custom := check.Custom{Name: c.Name, Critical: *c.Critical, Timeout: c.Wait()}
		switch {
		case c.HTTP != nil:
			out = append(out, httpChecks(custom, c.HTTP)...)
			continue
		case c.SQL != nil:
			custom.SQL = sqlCheck(c.SQL)
		default:
			custom.Command = &check.Command{Args: c.Command, Dir: d.Config.Root}
		}
		out = append(out, custom)
	}
	return out
}

func (d *Driver) environ() map[string]string {
	out := map[string]string{}
	if d.Environ == nil {
		return out
	}
	for _, kv := range d.Environ() {
		for i := range kv {
			if kv[i] == '=' {
				out[kv[:i]] = kv[i+1:]
				break
			}
		}
	}
	return out
}

// Who is the caller as the lock shows it.
func Who(getenv func(string) string) string {
	if actor := getenv("GITHUB_ACTOR"); actor != "" {
		return fmt.Sprintf("%s in %s/%s/actions/runs/%s", actor, getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY"), getenv("GITHUB_RUN_ID"))
	}
	user := getenv("USER")
	if user == "" {
		user = "somebody"
	}
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return user + "@" + host
}
