package compare

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// sound is a promotion against which nothing can be said: the source is one commit ahead, everything was measured.
func sound() Input {
	in := Input{
		From: environment("development"), To: environment("staging"), Names: [2]string{"development", "staging"},
		Services: map[string]Service{"web": {Critical: true, Endpoint: true}, "api": {Critical: true, Endpoint: true}, "mailer": {Endpoint: true}},
		Tests: []promotion.Check{
			{Category: "health", Name: "health", Service: "api", Status: promotion.Pass, Critical: true},
			{Category: "health", Name: "health", Service: "mailer", Status: promotion.Pass},
			{Category: "api", Name: "orders", Service: "api", Status: promotion.Pass, Critical: true},
		},
		TestedAt: noon.Add(-time.Minute),
		Preflight: []promotion.Check{
			{Category: "target", Name: "rollback of shop", Status: promotion.Pass},
			{Category: "target", Name: "disk", Status: promotion.Pass},
			{Category: "target", Name: "state", Status: promotion.Pass},
			{Category: "engine", Name: "engine", Status: promotion.Pass},
		},
		FlagSources: []string{"variables"},
		Policy:      DefaultPolicy(), Now: noon,
	}
	for i, revision := range []string{"aaaa", "bbbb"} {
		s := in.sides()[i]
		for j := range s.Services {
			c := &s.Services[j].Containers[0]
			if s.Services[j].Database {
				continue
			}
			c.ImageID, c.Revision, c.Version = "sha256:"+revision+s.Services[j].Name, revision, fmt.Sprintf("1.%d.0", 2-i)
			c.ImageCreated = noon.Add(-time.Duration(i+1) * time.Hour)
			s.Details.Versions[s.Services[j].Name] = snapshot.Endpoint{Version: c.Version}
		}
	}
	in.Lineages = []Lineage{{From: "aaaa", To: "bbbb", Direction: Ahead, Commits: []Commit{{Hash: "aaaa", Subject: "one more", At: noon}}}}
	for _, service := range []string{"web", "api"} {
		in.Latency = append(in.Latency, Latency{Service: service, Path: "/", From: series(1, 60), To: series(2, 60)})
	}
	return in
}

func environment(name string) *snapshot.Snapshot {
	s := &snapshot.Snapshot{
		Environment: name, Project: "shop-" + name, TakenAt: noon, Engine: snapshot.Engine{ID: "engine"},
		Servers: []snapshot.Server{{Name: "db", Service: "db", Number: 170002, Version: "17.2", User: "app", Databases: []snapshot.Database{{Name: "shop", Rights: snapshot.Rights{Owner: true}}}}},
		Details: &snapshot.Details{
			Configs: map[string]snapshot.Config{}, Versions: map[string]snapshot.Endpoint{}, Keyed: "one",
			Flags: []snapshot.FlagSource{{Name: "variables", Kind: "env", Flags: []snapshot.Flag{{Name: "basket", Value: "on"}, {Name: "dark", Value: "off"}}}},
			Catalogs: []snapshot.Catalog{{
				Server: "db", Database: "shop", Major: 17,
				Objects: []snapshot.Object{{Kind: "schema", Name: "public"}, {Kind: "table", Name: "public.orders", Table: "public.orders"}},
				Tables:  []snapshot.TableData{{Table: "public.orders", Rows: 10, Exact: true, Fingerprint: "f"}},
			}},
			At: noon,
		},
	}
	for _, service := range []string{"web", "api", "mailer", "db"} {
		s.Services = append(s.Services, snapshot.Service{Name: service, Database: service == "db", Containers: []snapshot.Container{{
			ID: service, Name: s.Project + "-" + service + "-1", Image: service + ":1", ImageID: "sha256:" + service, State: "running", Health: "healthy",
			StartedAt: noon.Add(-time.Hour), Memory: 50 << 20,
		}}})
		s.Details.Configs[service] = snapshot.Config{
			Variables: []snapshot.Variable{
				{Name: "API_KEY", Secret: true, Kind: "secret", Hash: "of " + name + " " + service},
				{Name: "LOG_LEVEL", Value: "info", Kind: "text"},
				{Name: "PUBLIC_URL", Value: "https://" + name + ".shop.example.org", Kind: "url"},
				{Name: "TOKEN", Secret: true, Kind: "secret", Hash: "token of " + name + " " + service},
				{Name: "TZ", Value: "UTC", Kind: "text"},
			},
			Mounts:   []snapshot.Mount{{Target: "/data", Type: "volume", Source: s.Project + "_data"}},
			Networks: []string{"default"}, Restart: "always", Healthcheck: "CMD true", User: "1000", Replicas: 1, Memory: 256 << 20,
		}
	}
	s.Sort()
	return s
}

// series are latencies that vary a little, the same ones for the same seed.
func series(seed uint64, n int) []float64 {
	random := rand.New(rand.NewPCG(seed, 7))
	out := make([]float64, n)
	for i := range out {
		out[i] = 10 + random.Float64()
	}
	return out
}

// change is one thing that happens to an input.
type change struct {
	name string
	do   func(r *rand.Rand, in *Input)
}

// pick is one of the services of a side that the stack promotes.
func pick(r *rand.Rand, s *snapshot.Snapshot) *snapshot.Service {
	if s == nil || len(s.Services) == 0 {
		return &snapshot.Service{Containers: make([]snapshot.Container, 1)}
	}
	svc := &s.Services[r.IntN(len(s.Services))]
	if len(svc.Containers) == 0 {
		svc.Containers = make([]snapshot.Container, 1)
	}
	return svc
}

func either(r *rand.Rand, in *Input) *snapshot.Snapshot {
	if r.IntN(2) == 0 {
		return in.From
	}
	return in.To
}

// edit changes the configuration of one service of a side.
func edit(r *rand.Rand, s *snapshot.Snapshot, do func(*snapshot.Config)) {
	if s == nil || s.Details == nil || len(s.Details.Configs) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(s.Details.Configs))
	name := names[r.IntN(len(names))]
	c := s.Details.Configs[name]
	c.Variables, c.Mounts = slices.Clone(c.Variables), slices.Clone(c.Mounts)
	do(&c)
	s.Details.Configs[name] = c
}

// worse are changes for the worse: each fails something that was measured, or changes nothing.
func worse() []change {
	drop := func(name string) func(*snapshot.Config) {
		return func(c *snapshot.Config) {
			c.Variables = slices.DeleteFunc(c.Variables, func(v snapshot.Variable) bool { return v.Name == name })
		}
	}
	return []change{
		{"a column goes", func(r *rand.Rand, in *Input) { column(r, in, in.To, "gone", nil) }},
		{"a column has to be filled", func(r *rand.Rand, in *Input) {
			column(r, in, in.From, "must", map[string]string{"type": "text", "not_null": "true"})
		}},
		{"a test fails", func(r *rand.Rand, in *Input) {
			if len(in.Tests) > 0 {
				in.Tests = append(slices.Clone(in.Tests), promotion.Check{Category: "health", Name: "more", Service: "web", Status: promotion.Fail, Critical: r.IntN(2) == 0})
			}
		}},
		{"preflight fails", func(r *rand.Rand, in *Input) {
			if len(in.Preflight) > 0 {
				name := []string{"disk", "state", "rollback of shop", "hold"}[r.IntN(4)]
				in.Preflight = append(slices.Clone(in.Preflight), promotion.Check{Category: "target", Name: name, Status: promotion.Fail, Critical: true, Message: "no"})
			}
		}},
		{"a container is unhealthy", func(r *rand.Rand, in *Input) { pick(r, either(r, in)).Containers[0].Health = "unhealthy" }},
		{"a replica runs another image", func(r *rand.Rand, in *Input) {
			svc := pick(r, either(r, in))
			other := svc.Containers[0]
			other.ID, other.Name, other.ImageID = "z", "zz", "sha256:other"
			svc.Containers = append(svc.Containers, other)
		}},
		{"git says backwards", func(_ *rand.Rand, in *Input) {
			if len(in.Lineages) > 0 {
				in.Lineages = append(slices.Clone(in.Lineages), Lineage{From: "aaaa", To: "bbbb", Direction: Behind})
			}
		}},
		{"a secret is missing", func(r *rand.Rand, in *Input) { edit(r, in.To, drop("TOKEN")) }},
		{"a key is missing", func(r *rand.Rand, in *Input) { edit(r, in.To, drop("PUBLIC_URL")) }},
		{"a zone differs", func(r *rand.Rand, in *Input) {
			edit(r, in.To, func(c *snapshot.Config) {
				for i := range c.Variables {
					if c.Variables[i].Name == "TZ" {
						c.Variables[i].Value = "CET"
					}
				}
			})
		}},
		{"a secret is shared", func(r *rand.Rand, in *Input) {
			if in.From != nil && in.From.Details != nil && in.To != nil && in.To.Details != nil && len(in.From.Details.Configs) > 0 {
				shareSecret(in, "api")
			}
		}},
		{"a limit is lower", func(r *rand.Rand, in *Input) {
			edit(r, in.To, func(c *snapshot.Config) { c.Memory = 10 << 20 })
		}},
		{"a health check is missing", func(r *rand.Rand, in *Input) {
			edit(r, in.To, func(c *snapshot.Config) { c.Healthcheck = "" })
		}},
		{"a flag is unknown", func(_ *rand.Rand, in *Input) { addFlag(in.From, "new", "on") }},
		{"a flag is on at the target alone", func(_ *rand.Rand, in *Input) { addFlag(in.To, "old", "on") }},
		{"an endpoint is slower", func(r *rand.Rand, in *Input) {
			in.Latency = slices.Clone(in.Latency)
			for i := range in.Latency {
				in.Latency[i].From = slices.Clone(in.Latency[i].From)
				for j := range in.Latency[i].From {
					in.Latency[i].From[j] *= 3
				}
			}
		}},
		{"requests fail", func(_ *rand.Rand, in *Input) {
			in.Latency = slices.Clone(in.Latency)
			for i := range in.Latency {
				in.Latency[i].FromErrors += 30
			}
		}},
		{"the version is untrue", func(r *rand.Rand, in *Input) {
			s := either(r, in)
			if s == nil || s.Details == nil || len(s.Details.Versions) == 0 {
				return
			}
			if e, ok := s.Details.Versions["api"]; ok && e.Error == "" {
				s.Details.Versions["api"] = snapshot.Endpoint{Version: "0.0.1"}
			}
		}},
		{"the source's server is newer", func(_ *rand.Rand, in *Input) {
			if in.From != nil && len(in.From.Servers) > 0 {
				in.From.Servers[0].Number = 180001
			}
		}},
		{"the rehearsal fails", func(_ *rand.Rand, in *Input) {
			if in.Rehearsal != nil {
				r := *in.Rehearsal
				r.Migration = append(slices.Clone(r.Migration), RehearsedJob{Service: "migrate", ExitCode: 1})
				in.Rehearsal = &r
			}
		}},
		{"rows are deleted", func(_ *rand.Rand, in *Input) {
			if in.Rehearsal != nil {
				r := *in.Rehearsal
				r.Databases = append(slices.Clone(r.Databases), RehearsedData{Database: "shop", Rows: []RehearsedTable{{Table: "orders", Before: 9, After: 8, Deleted: 1}}})
				in.Rehearsal = &r
			}
		}},
	}
}

// column adds a column to a table of one side, and the answers of the target's rows to what that asks.
func column(r *rand.Rand, in *Input, s *snapshot.Snapshot, name string, attributes map[string]string) {
	if in.From == nil || in.To == nil || in.From.Details == nil || in.To.Details == nil || len(s.Details.Catalogs) == 0 || s.Details.Catalogs[0].Error != "" {
		return
	}
	if attributes == nil {
		attributes = map[string]string{"type": "text"}
	}
	asked := Probes(in.From, in.To, in.Rules)
	s.Details.Catalogs = slices.Clone(s.Details.Catalogs)
	c := &s.Details.Catalogs[0]
	c.Objects = append(slices.Clone(c.Objects), snapshot.Object{Kind: "column", Table: "public.orders", Name: "public.orders." + name, Attributes: attributes})
	in.Probes = slices.Clone(in.Probes)
	for _, p := range Probes(in.From, in.To, in.Rules) {
		if !slices.Contains(asked, p) {
			in.Probes = append(in.Probes, ProbeResult{ID: p.ID, Rows: int64(r.IntN(2) * 4)})
		}
	}
}

func shareSecret(in *Input, service string) {
	from, okFrom := in.From.Details.Configs[service]
	to, okTo := in.To.Details.Configs[service]
	if !okFrom || !okTo {
		return
	}
	hash := ""
	for _, v := range from.Variables {
		if v.Name == "API_KEY" {
			hash = v.Hash
		}
	}
	to.Variables = slices.Clone(to.Variables)
	for i, v := range to.Variables {
		if v.Name == "API_KEY" && hash != "" && v.Hash != "" {
			to.Variables[i].Hash = hash
		}
	}
	in.To.Details.Configs[service] = to
}

func addFlag(s *snapshot.Snapshot, name, value string) {
	if s == nil || s.Details == nil {
		return
	}
	for i := range s.Details.Flags {
		if s.Details.Flags[i].Error == "" {
			s.Details.Flags[i].Flags = append(slices.Clone(s.Details.Flags[i].Flags), snapshot.Flag{Name: name, Value: value})
		}
	}
}

// missing are the ways in which a datum goes missing.
func missing() []change {
	endpoints := func(r *rand.Rand, in *Input, do func(map[string]snapshot.Endpoint, string)) {
		if s := either(r, in); s != nil && s.Details != nil && len(s.Details.Versions) > 0 {
			names := slices.Sorted(maps.Keys(s.Details.Versions))
			do(s.Details.Versions, names[r.IntN(len(names))])
		}
	}
	unread := func(part string) func(*rand.Rand, *Input) {
		return func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil {
				s.Missing = append(slices.Clone(s.Missing), snapshot.Missing{Part: part, Reason: "no answer"})
			}
		}
	}
	return []change{
		{"the source", func(_ *rand.Rand, in *Input) { in.From, in.FromWhy = nil, "it is down" }},
		{"the target", func(_ *rand.Rand, in *Input) { in.To, in.ToWhy = nil, "it is down" }},
		{"details", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil {
				s.Details = nil
			}
		}},
		{"a configuration", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil && len(s.Details.Configs) > 0 {
				names := slices.Sorted(maps.Keys(s.Details.Configs))
				delete(s.Details.Configs, names[r.IntN(len(names))])
			}
		}},
		{"part of a configuration", func(r *rand.Rand, in *Input) {
			edit(r, either(r, in), func(c *snapshot.Config) { c.Errors = []string{"a file could not be read"} })
		}},
		{"the hash of a secret", func(r *rand.Rand, in *Input) {
			edit(r, either(r, in), func(c *snapshot.Config) {
				for i := range c.Variables {
					c.Variables[i].Hash = ""
				}
			})
		}},
		{"the key of the hashes", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil {
				s.Details.Keyed = "another of " + s.Environment
			}
		}},
		{"the answer of a version endpoint", func(r *rand.Rand, in *Input) {
			endpoints(r, in, func(m map[string]snapshot.Endpoint, name string) { m[name] = snapshot.Endpoint{Error: "refused"} })
		}},
		{"a version endpoint", func(r *rand.Rand, in *Input) {
			endpoints(r, in, func(m map[string]snapshot.Endpoint, name string) { delete(m, name) })
		}},
		{"a source of flags", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil && len(s.Details.Flags) > 0 {
				s.Details.Flags = slices.Clone(s.Details.Flags)
				s.Details.Flags[0] = snapshot.FlagSource{Name: s.Details.Flags[0].Name, Error: "refused"}
			}
		}},
		{"all flags", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil {
				s.Details.Flags = nil
			}
		}},
		{"a catalog", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil && len(s.Details.Catalogs) > 0 {
				s.Details.Catalogs = slices.Clone(s.Details.Catalogs)
				c := s.Details.Catalogs[0]
				s.Details.Catalogs[0] = snapshot.Catalog{Server: c.Server, Database: c.Database, Error: "permission denied"}
			}
		}},
		{"the rows of a table", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil && len(s.Details.Catalogs) > 0 && len(s.Details.Catalogs[0].Tables) > 0 {
				s.Details.Catalogs = slices.Clone(s.Details.Catalogs)
				c := &s.Details.Catalogs[0]
				c.Tables = slices.Clone(c.Tables)
				at := r.IntN(len(c.Tables))
				c.Tables[at] = snapshot.TableData{Table: c.Tables[at].Table, Reference: c.Tables[at].Reference, Error: "permission denied"}
			}
		}},
		{"the answer to a probe", func(r *rand.Rand, in *Input) {
			if len(in.Probes) > 0 {
				in.Probes = slices.Clone(in.Probes)
				at := r.IntN(len(in.Probes))
				in.Probes[at] = ProbeResult{ID: in.Probes[at].ID, Error: "timeout"}
			}
		}},
		{"all answers to probes", func(_ *rand.Rand, in *Input) { in.Probes = nil }},
		{"all catalogs", func(r *rand.Rand, in *Input) {
			if s := either(r, in); s != nil && s.Details != nil {
				s.Details.Catalogs = nil
			}
		}},
		{"databases", unread("databases")},
		{"a network", unread("network")},
		{"an image", unread("image of api")},
		{"the id of an image", func(r *rand.Rand, in *Input) { pick(r, either(r, in)).Containers[0].ImageID = "" }},
		{"the samples of an endpoint", func(r *rand.Rand, in *Input) {
			if len(in.Latency) > 0 {
				in.Latency = slices.Clone(in.Latency)
				at := r.IntN(len(in.Latency))
				in.Latency[at] = Latency{Service: in.Latency[at].Service, Path: in.Latency[at].Path, Error: "refused"}
			}
		}},
		{"most samples", func(r *rand.Rand, in *Input) {
			if len(in.Latency) > 0 {
				in.Latency = slices.Clone(in.Latency)
				l := &in.Latency[r.IntN(len(in.Latency))]
				l.From, l.To, l.FromErrors, l.ToErrors = l.From[:min(5, len(l.From))], l.To[:min(5, len(l.To))], 0, 0
			}
		}},
		{"all samples", func(_ *rand.Rand, in *Input) { in.Latency = nil }},
		{"the answer of a test", func(r *rand.Rand, in *Input) { in.Tests = unanswered(r, in.Tests) }},
		{"all tests", func(_ *rand.Rand, in *Input) { in.Tests = nil }},
		{"when it was tested", func(_ *rand.Rand, in *Input) { in.TestedAt = time.Time{} }},
		{"the answer of preflight", func(r *rand.Rand, in *Input) { in.Preflight = unanswered(r, in.Preflight) }},
		{"a check of preflight", func(r *rand.Rand, in *Input) {
			name := []string{"disk", "state", "rollback of shop"}[r.IntN(3)]
			in.Preflight = slices.DeleteFunc(slices.Clone(in.Preflight), func(c promotion.Check) bool { return c.Name == name })
		}},
		{"preflight", func(_ *rand.Rand, in *Input) { in.Preflight = nil }},
		{"what git says", func(_ *rand.Rand, in *Input) { in.Lineages = nil }},
		{"the rehearsal", func(_ *rand.Rand, in *Input) {
			if in.Rehearsal != nil {
				in.Rehearsal = &Rehearsal{Error: "no room for a copy"}
			}
		}},
	}
}

func unanswered(r *rand.Rand, checks []promotion.Check) []promotion.Check {
	if len(checks) == 0 {
		return checks
	}
	checks = slices.Clone(checks)
	checks[r.IntN(len(checks))].Status = promotion.Error
	return checks
}
