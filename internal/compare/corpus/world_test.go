package corpus

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/compare"
	"github.com/org/promote-action/internal/flag"
	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/setting"
	"github.com/org/promote-action/internal/snapshot"
)

// now is when all comparisons of the corpus are made; ages in a world are counted back from it.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const hour = float64(time.Hour)

// world is base.yml with a case's change: two environments as a person would describe them, with values in clear, so that
// what is a secret, a host or a flag is for the program to find out.
type world struct {
	From        *side                        `json:"from"`
	To          *side                        `json:"to"`
	FromWhy     string                       `json:"from_why"`
	ToWhy       string                       `json:"to_why"`
	Services    map[string]promised          `json:"services"` // what the configuration says of them
	Planned     map[string]map[string]string `json:"planned"`  // what the target's files will set, by service
	FlagSources []string                     `json:"flag_sources"`
	Git         map[string]string            `json:"git"` // FROM..TO: direction
	Tests       map[string]promotion.Check   `json:"tests"`
	TestedHours float64                      `json:"tested_hours"` // ago
	Preflight   map[string]promotion.Check   `json:"preflight"`
	Performance map[string]endpoint          `json:"performance"` // by "SERVICE PATH"
	Off         string                       `json:"performance_off"`
	Rehearsal   *compare.Rehearsal           `json:"rehearsal"`
	Rules       compare.Rules                `json:"rules"`
	Accepted    []compare.Acceptance         `json:"accepted"`
}

type promised struct {
	Critical  bool     `json:"critical"`
	OneShot   bool     `json:"one_shot"`
	Endpoint  bool     `json:"endpoint"`
	P95       float64  `json:"p95"`
	ErrorRate *float64 `json:"error_rate"`
}

type side struct {
	Environment string                     `json:"environment"`
	Project     string                     `json:"project"`
	Engine      string                     `json:"engine"`
	Key         string                     `json:"key"` // of the hashes
	Services    map[string]service         `json:"services"`
	Flags       map[string]flags           `json:"flags"`
	Servers     map[string]snapshot.Server `json:"servers"`
	Missing     map[string]string          `json:"missing"` // part: reason
	Catalogs    string                     `json:"catalogs"`
}

type service struct {
	Database       bool                    `json:"database"`
	OneShot        bool                    `json:"one_shot"`
	Image          string                  `json:"image"`
	ID             string                  `json:"id"`
	Others         []string                `json:"others"` // images of further replicas
	Version        string                  `json:"version"`
	Revision       string                  `json:"revision"`
	BuiltHours     float64                 `json:"built_hours"`
	StartedHours   float64                 `json:"started_hours"`
	State          string                  `json:"state"`
	Health         string                  `json:"health"`
	ExitCode       int                     `json:"exit_code"`
	UsedMiB        int64                   `json:"used_mib"`
	Answers        string                  `json:"answers"`     // its version endpoint
	AnswersNot     string                  `json:"answers_not"` // why its version endpoint gave none
	Variables      map[string]string       `json:"variables"`
	ImageVariables map[string]string       `json:"image_variables"` // the image's own defaults
	Labels         map[string]string       `json:"labels"`
	Mounts         map[string]mountedThing `json:"mounts"` // by where it is in the container
	Networks       []string                `json:"networks"`
	Ports          []string                `json:"ports"`
	Command        []string                `json:"command"`
	User           string                  `json:"user"`
	MemoryMiB      int64                   `json:"memory_mib"`
	CPUs           float64                 `json:"cpus"`
	PIDs           int64                   `json:"pids"`
	Restart        string                  `json:"restart"`
	Healthcheck    string                  `json:"healthcheck"`
	Options        map[string]string       `json:"options"`
	Errors         []string                `json:"errors"`
	Unread         bool                    `json:"unread"` // its configuration could not be read at all
}

type mountedThing struct {
	Type     string `json:"type"`
	Source   string `json:"source"`
	ReadOnly bool   `json:"read_only"`
	Content  string `json:"content"`
}

// flags are one source: as it answers, or by name.
type flags struct {
	Kind   string            `json:"kind"`
	Field  string            `json:"field"`
	Answer string            `json:"answer"`
	Rows   map[string]string `json:"rows"`
	Error  string            `json:"error"`
}

// endpoint is one endpoint with the distributions that its samples are drawn from.
type endpoint struct {
	From  latency `json:"from"`
	To    latency `json:"to"`
	Error string  `json:"error"`
}

// latency is a log-normal distribution, with a share of requests that take ten times as long.
type latency struct {
	Median float64 `json:"median"` // milliseconds
	Spread float64 `json:"spread"` // standard deviation of the logarithm
	Tail   float64 `json:"tail"`   // share, 0 to 1
	Drift  float64 `json:"drift"`  // by how much it has grown at the last sample, as a share
	N      int     `json:"n"`
	Fails  float64 `json:"fails"` // share of requests, 0 to 1
}

func (l latency) draw(r *rand.Rand) (samples []float64, failed int) {
	for i := range l.N {
		if r.Float64() < l.Fails {
			failed++
			continue
		}
		v := l.Median * math.Exp(l.Spread*r.NormFloat64()) * (1 + l.Drift*float64(i)/float64(l.N))
		if r.Float64() < l.Tail {
			v *= 10
		}
		samples = append(samples, v)
	}
	return samples, failed
}

// input is what a comparison of the world is made of. Both what is drawn and the order of lists come from r.
func (w world) input(t *testing.T, r *rand.Rand) compare.Input {
	t.Helper()
	in := compare.Input{
		Names: [2]string{"development", "staging"}, FromWhy: w.FromWhy, ToWhy: w.ToWhy, FlagSources: w.FlagSources,
		Services: map[string]compare.Service{}, PerformanceOff: w.Off, Rehearsal: w.Rehearsal, Rules: w.Rules, Accepted: w.Accepted,
		Policy: compare.DefaultPolicy(), Now: now,
	}
	if w.From != nil {
		in.From = w.From.snapshot(t, r, w.Rules)
	}
	if w.To != nil {
		in.To = w.To.snapshot(t, r, w.Rules)
	}
	for name, s := range w.Services {
		in.Services[name] = compare.Service{Critical: s.Critical, OneShot: s.OneShot, Endpoint: s.Endpoint, P95: s.P95, ErrorRate: s.ErrorRate}
	}
	for name, variables := range w.Planned {
		if in.Planned == nil {
			in.Planned = map[string][]snapshot.Variable{}
		}
		in.Planned[name] = shuffled(r, read(w.To.reader(t, w.Rules).Of(name), variables))
	}
	for pair, direction := range w.Git {
		from, to, _ := strings.Cut(pair, "..")
		in.Lineages = append(in.Lineages, compare.Lineage{From: from, To: to, Direction: compare.Direction(direction)})
	}
	in.Tests, in.Preflight = shuffled(r, checks(w.Tests)), shuffled(r, checks(w.Preflight))
	if w.TestedHours > 0 {
		in.TestedAt = ago(w.TestedHours)
	}
	for _, at := range sortedKeys(w.Performance) {
		e := w.Performance[at]
		name, path, _ := strings.Cut(at, " ")
		l := compare.Latency{Service: name, Path: path, Error: e.Error}
		if e.Error == "" {
			l.From, l.FromErrors = e.From.draw(r)
			l.To, l.ToErrors = e.To.draw(r)
		}
		in.Latency = append(in.Latency, l)
	}
	r.Shuffle(len(in.Latency), func(i, j int) { in.Latency[i], in.Latency[j] = in.Latency[j], in.Latency[i] })
	r.Shuffle(len(in.Lineages), func(i, j int) { in.Lineages[i], in.Lineages[j] = in.Lineages[j], in.Lineages[i] })
	return in
}

func ago(hours float64) time.Time { return now.Add(-time.Duration(hours * hour)) }

func shuffled[T any](r *rand.Rand, list []T) []T {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// checks are those of a map, with the key as name where none is given.
func checks(named map[string]promotion.Check) []promotion.Check {
	var out []promotion.Check
	for _, name := range sortedKeys(named) {
		c := named[name]
		if c.Name == "" {
			c.Name = name
		}
		out = append(out, c)
	}
	return out
}

func (s side) reader(t *testing.T, rules compare.Rules) *setting.Reader {
	t.Helper()
	key := s.Key
	if key == "" {
		key = "the key of one run of the corpus"
	}
	r, err := setting.NewReader([]byte(key), rules.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read takes variables as the agent does.
func read(reader *setting.Reader, variables map[string]string) []snapshot.Variable {
	var out []snapshot.Variable
	for _, name := range sortedKeys(variables) {
		out = append(out, reader.Read(name, variables[name])...)
	}
	return out
}

func (s side) snapshot(t *testing.T, r *rand.Rand, rules compare.Rules) *snapshot.Snapshot {
	t.Helper()
	reader := s.reader(t, rules)
	details := &snapshot.Details{
		Configs: map[string]snapshot.Config{}, Versions: map[string]snapshot.Endpoint{}, Keyed: reader.Fingerprint(), At: now,
	}
	out := &snapshot.Snapshot{Environment: s.Environment, Project: s.Project, TakenAt: now, Engine: snapshot.Engine{ID: s.Engine}, Details: details}
	for _, name := range sortedKeys(s.Services) {
		svc := s.Services[name]
		out.Services = append(out.Services, snapshot.Service{Name: name, OneShot: svc.OneShot, Database: svc.Database, Containers: shuffled(r, svc.containers(s.Project, name))})
		if !svc.Unread {
			details.Configs[name] = svc.config(reader.Of(name), r)
		}
		if svc.Answers != "" || svc.AnswersNot != "" {
			details.Versions[name] = snapshot.Endpoint{Version: svc.Answers, Error: svc.AnswersNot}
		}
	}
	for _, name := range sortedKeys(s.Servers) {
		server := s.Servers[name]
		server.Name = name
		out.Servers = append(out.Servers, server)
		for _, db := range server.Databases {
			details.Catalogs = append(details.Catalogs, snapshot.Catalog{
				Server: name, Database: db.Name, Major: server.Major(), Error: s.Catalogs,
				Objects: []snapshot.Object{{Kind: "schema", Name: "public"}},
			})
		}
	}
	for _, name := range sortedKeys(s.Flags) {
		details.Flags = append(details.Flags, s.Flags[name].source(t, name))
	}
	for part, reason := range s.Missing {
		out.Missing = append(out.Missing, snapshot.Missing{Part: part, Reason: reason})
	}
	shuffled(r, out.Services)
	shuffled(r, out.Servers)
	shuffled(r, details.Flags)
	return out
}

func (s service) containers(project, name string) []snapshot.Container {
	if s.ID == "" && s.State == "" {
		return nil
	}
	first := snapshot.Container{
		ID: project + "-" + name, Name: project + "-" + name + "-1", Image: s.Image, ImageID: "sha256:" + s.ID, Version: s.Version, Revision: s.Revision,
		State: s.State, Health: s.Health, ExitCode: s.ExitCode, Memory: s.UsedMiB << 20, StartedAt: ago(s.StartedHours),
	}
	if s.ID == "" {
		first.ImageID = ""
	}
	if s.BuiltHours > 0 {
		first.ImageCreated = ago(s.BuiltHours)
	}
	out := []snapshot.Container{first}
	for i, id := range s.Others {
		c := first
		c.ID, c.Name, c.ImageID = fmt.Sprint(c.ID, i+2), fmt.Sprintf("%s-%s-%d", project, name, i+2), "sha256:"+id
		out = append(out, c)
	}
	return out
}

func (s service) config(reader *setting.Reader, r *rand.Rand) snapshot.Config {
	c := snapshot.Config{
		Variables: read(reader, s.Variables), Command: reader.Words(s.Command), User: s.User, Ports: shuffled(r, slices.Clone(s.Ports)),
		Networks: shuffled(r, slices.Clone(s.Networks)), Memory: s.MemoryMiB << 20, CPUs: s.CPUs, PIDs: s.PIDs, Restart: s.Restart,
		Healthcheck: s.Healthcheck, Options: s.Options, Replicas: 1 + len(s.Others), Errors: s.Errors,
	}
	for _, name := range sortedKeys(s.ImageVariables) {
		for _, v := range reader.Read(name, s.ImageVariables[name]) {
			v.Image = true
			c.Variables = append(c.Variables, v)
		}
	}
	for _, name := range sortedKeys(s.Labels) {
		c.Labels = append(c.Labels, reader.Read(name, s.Labels[name])...)
	}
	for _, target := range sortedKeys(s.Mounts) {
		m := s.Mounts[target]
		mount := snapshot.Mount{Target: target, Type: m.Type, Source: m.Source, ReadOnly: m.ReadOnly}
		if m.Content != "" {
			mount.Hash, mount.Size = reader.File([]byte(m.Content)), int64(len(m.Content))
		}
		c.Mounts = append(c.Mounts, mount)
	}
	shuffled(r, c.Variables)
	shuffled(r, c.Mounts)
	return c
}

func (f flags) source(t *testing.T, name string) snapshot.FlagSource {
	t.Helper()
	out := snapshot.FlagSource{Name: name, Kind: f.Kind, Error: f.Error}
	if f.Error != "" {
		return out
	}
	var err error
	if f.Answer != "" {
		out.Flags, err = flag.Parse(f.Kind, f.Field, []byte(f.Answer))
	} else {
		var rows [][]string
		for key, value := range f.Rows {
			rows = append(rows, []string{key, value})
		}
		out.Flags, err = flag.Rows(rows)
	}
	if err != nil {
		t.Fatalf("flags %s: %v", name, err)
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
