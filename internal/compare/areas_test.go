package compare

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
)

// TestSound wants nothing said against a sound promotion, and all of it measured.
func TestSound(t *testing.T) {
	c := Compare(sound())
	if c.Verdict != Ready || points(c.Score) != 100 || c.Coverage != 100 || *c.Measured != 100 {
		t.Fatalf("%s, score %v, coverage %v: %s", c.Verdict, points(c.Score), c.Coverage, statuses(c))
	}
	for _, f := range c.Findings {
		if f.Severity != Info {
			t.Errorf("%s: %s", f.ID, f.Message)
		}
	}
	for _, m := range c.Services {
		if want := map[bool]Direction{true: Same, false: Ahead}[m.Service == "db"]; m.Direction != want {
			t.Errorf("%s is %s", m.Service, m.Direction)
		}
	}
	if len(c.Commits) != 1 || c.Services[0].Commits != 1 {
		t.Errorf("commits %+v, services %+v", c.Commits, c.Services)
	}
}

// TestTheSameEnvironment compares an environment with itself: nothing differs, and nothing is said of shared values.
func TestTheSameEnvironment(t *testing.T) {
	in := sound()
	in.From, in.Names = in.To, [2]string{"staging", "staging"}
	in.Lineages = nil
	for i := range in.Latency {
		in.Latency[i].From = in.Latency[i].To
	}
	c := Compare(in)
	if c.Verdict != Ready || points(c.Score) != 100 || len(c.Findings) != 0 {
		t.Fatalf("%s, score %v, %d findings: %+v", c.Verdict, points(c.Score), len(c.Findings), c.Findings)
	}
	for _, a := range c.Areas {
		if !a.Equal {
			t.Errorf("%s is not equal: %+v", a.Area, a)
		}
	}
}

// variables edits a variable of api at one side, or takes it away.
func variableOf(s *snapshot.Snapshot, name string, do func(*snapshot.Variable)) {
	c := s.Details.Configs["api"]
	for i := range c.Variables {
		if c.Variables[i].Name == name {
			do(&c.Variables[i])
		}
	}
}

func without(s *snapshot.Snapshot, name string) {
	c := s.Details.Configs["api"]
	c.Variables = slices.DeleteFunc(c.Variables, func(v snapshot.Variable) bool { return v.Name == name })
	s.Details.Configs["api"] = c
}

func with(s *snapshot.Snapshot, v ...snapshot.Variable) {
	c := s.Details.Configs["api"]
	c.Variables = append(c.Variables, v...)
	s.Details.Configs["api"] = c
}

func config(s *snapshot.Snapshot, do func(*snapshot.Config)) {
	c := s.Details.Configs["api"]
	do(&c)
	s.Details.Configs["api"] = c
}

func container(s *snapshot.Snapshot, name string) *snapshot.Container {
	for i := range s.Services {
		if s.Services[i].Name == name {
			return &s.Services[i].Containers[0]
		}
	}
	return nil
}

func checkOf(category, name string, status promotion.Status) promotion.Check {
	return promotion.Check{Category: category, Name: name, Status: status, Critical: true, Message: "found so"}
}

// TestFindings does one thing to a sound promotion and wants the finding that it makes, with its verdict.
func TestFindings(t *testing.T) {
	cases := []struct {
		name     string
		do       func(in *Input)
		finding  string
		severity Severity
		verdict  Verdict
	}{
		// versions
		{"backwards by git", func(in *Input) { in.Lineages[0].Direction = Behind }, "versions/image-behind/api", Fail, Caution},
		{"diverged", func(in *Input) { in.Lineages[0].Direction = Diverged }, "versions/image-diverged/api", Warn, Ready},
		{"git does not know, versions do", func(in *Input) { in.Lineages[0].Direction = UnknownDirection }, "versions/image-ahead/api", Info, Ready},
		{"backwards by version", func(in *Input) {
			in.Lineages[0].Direction = UnknownDirection
			container(in.From, "api").Version, in.From.Details.Versions["api"] = "1.0.9", snapshot.Endpoint{Version: "1.0.9"}
		}, "versions/image-behind/api", Fail, Caution},
		{"backwards by date", func(in *Input) {
			for _, s := range in.sides() {
				container(s, "api").Version, container(s, "api").Revision = "", ""
			}
			container(in.From, "api").ImageCreated = noon.AddDate(-1, 0, 0)
		}, "versions/image-behind/api", Warn, Ready},
		{"no order at all", func(in *Input) {
			for _, s := range in.sides() {
				c := container(s, "api")
				c.Version, c.Revision, c.ImageCreated = "", "", time.Time{}
			}
		}, "versions/image-unordered/api", Warn, Ready},
		{"rebuilt", func(in *Input) { container(in.To, "api").Revision = "aaaa" }, "versions/image-rebuilt/api", Info, Ready},
		{"replicas differ", func(in *Input) {
			svc := pickNamed(in.From, "api")
			other := svc.Containers[0]
			other.Name, other.ImageID = "z", "sha256:z"
			svc.Containers = append(svc.Containers, other)
		}, "versions/replicas-differ/api in development", Fail, Ready},
		{"an endpoint says otherwise", func(in *Input) { in.To.Details.Versions["web"] = snapshot.Endpoint{Version: "3"} }, "versions/version-untrue/web in staging", Warn, Ready},
		{"a service is new", func(in *Input) {
			in.Planned = map[string][]snapshot.Variable{"mailer": planned()}
			remove(in.To, "mailer")
		}, "versions/service-new/mailer", Info, Ready},
		{"nothing is known of a new service", func(in *Input) { remove(in.To, "mailer") }, "configuration/configuration-unknown/mailer", Warn, Ready},
		{"a new service lacks a secret", func(in *Input) {
			in.Planned = map[string][]snapshot.Variable{"mailer": planned()[1:]}
			remove(in.To, "mailer")
		}, "configuration/secret-missing/mailer.API_KEY", Fail, NotReady},
		{"a service is only at the target", func(in *Input) { remove(in.From, "mailer") }, "versions/service-extra/mailer", Warn, Ready},
		{"the datastore differs", func(in *Input) { container(in.To, "db").ImageID = "sha256:older" }, "versions/datastore-differs/db", Info, Ready},
		{"the source's server is newer", func(in *Input) { in.From.Servers[0].Number = 180001 }, "versions/server-version/db", Fail, Ready},

		// configuration
		{"a secret is missing", func(in *Input) { without(in.To, "API_KEY") }, "configuration/secret-missing/api.API_KEY", Fail, NotReady},
		{"a secret is empty", func(in *Input) {
			variableOf(in.To, "API_KEY", func(v *snapshot.Variable) { v.Empty, v.Hash = true, "" })
		}, "configuration/secret-empty/api.API_KEY", Fail, NotReady},
		{"a secret comes as a file", func(in *Input) {
			without(in.To, "API_KEY")
			with(in.To, snapshot.Variable{Name: "API_KEY_FILE", Value: "/run/secrets/k", Kind: "path"})
		}, "configuration/key-elsewhere/api.API_KEY", Info, Ready},
		{"a secret comes as a mount", func(in *Input) {
			without(in.To, "API_KEY")
			config(in.To, func(c *snapshot.Config) {
				c.Mounts = append(c.Mounts, snapshot.Mount{Target: "/run/secrets/api_key", Type: "secret", Hash: "h"})
			})
		}, "configuration/key-elsewhere/api.API_KEY", Info, Ready},
		{"a mounted secret is missing", func(in *Input) {
			config(in.From, func(c *snapshot.Config) {
				c.Mounts = append(c.Mounts, snapshot.Mount{Target: "/run/secrets/other", Type: "secret", Hash: "h"})
			})
		}, "configuration/secret-missing/api:/run/secrets/other", Fail, NotReady},
		{"a secret is shared", func(in *Input) {
			variableOf(in.To, "API_KEY", func(v *snapshot.Variable) { v.Hash = "of development api" })
		}, "configuration/secret-shared/api.API_KEY", Warn, Ready},
		{"a secret is weak", func(in *Input) {
			variableOf(in.To, "API_KEY", func(v *snapshot.Variable) { v.Weak = "a placeholder" })
		}, "configuration/secret-weak/api.API_KEY", Warn, Ready},
		{"a key is missing", func(in *Input) { without(in.To, "LOG_LEVEL") }, "configuration/key-missing/api.LOG_LEVEL", Warn, Ready},
		{"an address is missing", func(in *Input) { without(in.To, "PUBLIC_URL") }, "configuration/key-missing/api.PUBLIC_URL", Fail, Ready},
		{"a key of the image alone", func(in *Input) {
			with(in.From, snapshot.Variable{Name: "GOROOT", Value: "/go", Image: true})
			without(in.To, "LOG_LEVEL")
		}, "configuration/key-missing/api.LOG_LEVEL", Warn, Ready},
		{"a key is only at the target", func(in *Input) { without(in.From, "LOG_LEVEL") }, "configuration/key-extra/api.LOG_LEVEL", Info, Ready},
		{"the target points at the source", func(in *Input) {
			variableOf(in.To, "PUBLIC_URL", func(v *snapshot.Variable) { v.Value = "https://development.shop.example.org" })
		}, "configuration/points-at-source/api.PUBLIC_URL", Fail, Ready},
		{"by the short name of the source too", func(in *Input) {
			variableOf(in.To, "PUBLIC_URL", func(v *snapshot.Variable) { v.Value = "https://api.dev.example.org" })
		}, "configuration/points-at-source/api.PUBLIC_URL", Fail, Ready},
		{"one store for both", func(in *Input) {
			for _, s := range in.sides() {
				with(s, snapshot.Variable{Name: "REDIS_URL", Value: "redis://cache.example.org:6379", Kind: "url"})
			}
		}, "configuration/store-shared/api.REDIS_URL", Warn, Ready},
		{"must differ", func(in *Input) { in.Rules.Differ = []string{"LOG_LEVEL"} }, "configuration/value-shared/api.LOG_LEVEL", Fail, Ready},
		{"must be equal", func(in *Input) {
			in.Rules.Equal = []string{"api.LOG_*"}
			variableOf(in.To, "LOG_LEVEL", func(v *snapshot.Variable) { v.Value = "debug" })
		}, "configuration/value-differs/api.LOG_LEVEL", Fail, Ready},
		{"a secret must be equal", func(in *Input) { in.Rules.Equal = []string{"API_KEY"} }, "configuration/value-differs/api.API_KEY", Fail, Ready},
		{"a zone differs", func(in *Input) {
			variableOf(in.To, "TZ", func(v *snapshot.Variable) { v.Value = "CET" })
		}, "configuration/value-differs/api.TZ", Warn, Ready},
		{"a value differs", func(in *Input) {
			variableOf(in.To, "LOG_LEVEL", func(v *snapshot.Variable) { v.Value = "debug" })
		}, "configuration/value-differs/api.LOG_LEVEL", Info, Ready},
		{"a value has another kind", func(in *Input) {
			with(in.From, snapshot.Variable{Name: "TIMEOUT", Value: "30", Kind: "number"})
			with(in.To, snapshot.Variable{Name: "TIMEOUT", Value: "soon", Kind: "text"})
		}, "configuration/value-kind/api.TIMEOUT", Warn, Ready},
		{"the Compose files bring the key", func(in *Input) {
			without(in.To, "LOG_LEVEL")
			in.Planned = map[string][]snapshot.Variable{"api": planned()}
		}, "configuration/value-differs/api.LOG_LEVEL", Info, Ready},
		{"a volume is shared", func(in *Input) {
			config(in.To, func(c *snapshot.Config) { c.Mounts[0].Source = "shop-development_data" })
		}, "configuration/volume-shared/api:/data", Fail, Ready},
		{"a volume is missing", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.Mounts = nil }) }, "configuration/mount-missing/api:/data", Warn, Ready},
		{"a file must be equal", func(in *Input) {
			in.Rules.Equal = []string{"/etc/*"}
			for i, s := range in.sides() {
				config(s, func(c *snapshot.Config) {
					c.Mounts = append(c.Mounts, snapshot.Mount{Target: "/etc/app.conf", Type: "bind", Hash: string(rune('a' + i)), Size: 3})
				})
			}
		}, "configuration/file-differs/api:/etc/app.conf", Fail, Ready},
		{"less memory than is in use", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.Memory = 40 << 20 }) }, "configuration/memory-short/api", Fail, Ready},
		{"less memory", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.Memory = 200 << 20 }) }, "configuration/memory-lower/api", Warn, Ready},
		{"fewer processors", func(in *Input) {
			config(in.From, func(c *snapshot.Config) { c.CPUs = 2 })
			config(in.To, func(c *snapshot.Config) { c.CPUs = 1 })
		}, "configuration/cpus-lower/api", Warn, Ready},
		{"no health check", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.Healthcheck = "" }) }, "configuration/healthcheck-missing/api", Warn, Ready},
		{"no restart", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.Restart = "no" }) }, "configuration/restart-missing/api", Warn, Ready},
		{"root", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.User = "" }) }, "configuration/user-root/api", Warn, Ready},
		{"networks part", func(in *Input) { config(in.To, func(c *snapshot.Config) { c.Networks = []string{"alone"} }) }, "configuration/network-split/api", Warn, Ready},
		{"privileged", func(in *Input) {
			config(in.To, func(c *snapshot.Config) { c.Options = map[string]string{"privileged": "true"} })
		}, "configuration/option-differs/api.privileged", Warn, Ready},
		{"a label differs", func(in *Input) {
			config(in.To, func(c *snapshot.Config) { c.Labels = []snapshot.Variable{{Name: "team", Value: "a"}} })
		}, "configuration/label-differs/api.team", Info, Ready},

		// flags
		{"a flag is unknown", func(in *Input) { addFlag(in.From, "new", "on") }, "flags/flag-unknown/variables/new", Warn, Ready},
		{"a variant is unknown", func(in *Input) { addFlag(in.From, "new", "blue") }, "flags/flag-unknown/variables/new", Warn, Ready},
		{"an unknown flag is off", func(in *Input) { addFlag(in.From, "new", "off") }, "flags/flag-new/variables/new", Info, Ready},
		{"a flag is on at the target alone", func(in *Input) { in.From.Details.Flags[0].Flags[0].Value = "off" }, "flags/flag-untested/variables/basket", Warn, Ready},
		{"a flag is off at the target", func(in *Input) { in.To.Details.Flags[0].Flags[0].Value = "off" }, "flags/flag-differs/variables/basket", Info, Ready},
		{"a flag of the target is on and unknown", func(in *Input) { addFlag(in.To, "old", "on") }, "flags/flag-untested/variables/old", Warn, Ready},

		// performance
		{"much slower", func(in *Input) { scale(in.Latency[1].From, 3) }, "performance/slower/api/", Fail, Ready},
		{"slower", func(in *Input) { scale(in.Latency[1].From, 1.3) }, "performance/slower/api/", Warn, Ready},
		{"faster", func(in *Input) { scale(in.Latency[1].From, 0.5) }, "performance/faster/api/", Info, Ready},
		{"over the threshold", func(in *Input) { in.Services["api"] = Service{P95: 5} }, "performance/over-threshold/api/", Fail, Ready},
		{"fails more", func(in *Input) { in.Latency[1].FromErrors = 20 }, "performance/more-errors/api/", Fail, Ready},
		{"fails above the threshold", func(in *Input) {
			none := 0.0
			in.Services["api"] = Service{ErrorRate: &none}
			in.Latency[1].FromErrors = 1
		}, "performance/errors-over-threshold/api/", Fail, Ready},

		// readiness
		{"a critical service is down", func(in *Input) { container(in.From, "api").State = "exited" }, "readiness/service-down/api in development", Fail, NotReady},
		{"a service is down", func(in *Input) { container(in.From, "mailer").Health = "unhealthy" }, "readiness/service-down/mailer in development", Warn, Ready},
		{"a service of the target is down", func(in *Input) { container(in.To, "api").State = "restarting" }, "readiness/service-down/api in staging", Fail, Ready},
		{"a critical service does not answer", func(in *Input) { in.Tests[0].Status = promotion.Fail }, "readiness/service-unhealthy/api health health", Fail, NotReady},
		{"a test fails", func(in *Input) { in.Tests[2].Status = promotion.Fail }, "readiness/test-failed/api api orders", Fail, Caution},
		{"a test warns", func(in *Input) { in.Tests[2].Status = promotion.Warn }, "readiness/test-warned/api api orders", Warn, Ready},
		{"no rollback", func(in *Input) { in.Preflight[0].Status, in.Preflight[0].Critical = promotion.Fail, true }, "readiness/rollback-failed/target rollback of shop", Fail, NotReady},
		{"no room", func(in *Input) { in.Preflight[1].Status, in.Preflight[1].Critical = promotion.Fail, true }, "readiness/disk-failed/target disk", Fail, NotReady},
		{"locked", func(in *Input) { in.Preflight[2].Status, in.Preflight[2].Critical = promotion.Fail, true }, "readiness/lock-failed/target state", Fail, NotReady},
		{"held", func(in *Input) { in.Preflight = append(in.Preflight, checkOf("target", "hold", promotion.Fail)) }, "readiness/plan-failed/target hold", Fail, NotReady},
		{"no backup", func(in *Input) { in.Preflight = append(in.Preflight, checkOf("backup", "folder", promotion.Fail)) }, "readiness/backup-failed/backup folder", Fail, NotReady},
		{"no rights to dump", func(in *Input) { in.To.Servers[0].Databases[0].Rights = snapshot.Rights{} }, "readiness/backup-rights/shop", Warn, Ready},
		{"old tests", func(in *Input) {
			in.TestedAt = noon.AddDate(0, 0, -2)
			for i := range in.From.Services {
				in.From.Services[i].Containers[0].StartedAt = noon.AddDate(0, 0, -3)
			}
		}, "readiness/tests-old/development", Warn, Ready},
		{"started since", func(in *Input) { container(in.From, "api").StartedAt = noon }, "readiness/started-since/api", Fail, Ready},
		{"the migration fails", func(in *Input) {
			in.Rehearsal = &Rehearsal{Migration: []RehearsedJob{{Service: "migrate", ExitCode: 1}}}
		}, "readiness/migration-fails/migrate", Fail, NotReady},
		{"the migration deletes rows", func(in *Input) {
			in.Rehearsal = &Rehearsal{Databases: []RehearsedData{{Database: "shop", Rows: []RehearsedTable{{Table: "orders", Before: 5, After: 3}}}}}
		}, "readiness/rows-deleted/shop.orders", Fail, NotReady},
		{"the migration locks", func(in *Input) {
			in.Rehearsal = &Rehearsal{Databases: []RehearsedData{{Database: "shop", Locks: []RehearsedLock{{Table: "orders", Mode: "AccessExclusiveLock", Seconds: 3}}}}}
		}, "readiness/long-lock/shop.orders", Warn, Ready},
		{"the class", func(in *Input) { in.Rehearsal = &Rehearsal{Class: "app-only", ClassWhy: "its checks passed"} }, "readiness/rollback-class/app-only", Info, Ready},
	}
	kinds := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := Compare(sound())
			in := copied(t, sound())
			c.do(&in)
			got := Compare(in)
			at := slices.IndexFunc(got.Findings, func(f Finding) bool { return f.ID == c.finding })
			if at < 0 {
				t.Fatalf("no finding %s among %q", c.finding, ids(got))
			}
			f := got.Findings[at]
			kinds[f.Kind] = true
			if f.Severity != c.severity || got.Verdict != c.verdict {
				t.Errorf("%s (%s), verdict %s, %s", f.Severity, f.Message, got.Verdict, got.Why)
			}
			if lost := points(before.Score) - points(got.Score); (lost > 0) != (c.severity != Info) {
				t.Errorf("%v points lost: %s", lost, statuses(got))
			}
			if f.Severity != Info && f.Do == "" || f.Message == "" {
				t.Errorf("no message or no advice: %+v", f)
			}
			if got.Coverage != 100 {
				t.Errorf("coverage %v: %s", got.Coverage, statuses(got))
			}
			for _, o := range got.Objectives {
				if o.Status == promotion.Fail && o.Key && (len(got.Blocking) == 0 || !strings.Contains(got.Why, got.Blocking[0].Title)) {
					t.Errorf("what blocks is not named first: %q", got.Why)
				}
			}
		})
	}
}

// planned are the variables that the target's Compose files set.
func planned() []snapshot.Variable {
	return []snapshot.Variable{
		{Name: "API_KEY", Secret: true, Hash: "x"},
		{Name: "TOKEN", Secret: true, Hash: "y"},
		{Name: "LOG_LEVEL", Value: "warn"},
		{Name: "PUBLIC_URL", Value: "https://s", Kind: "url"},
		{Name: "TZ", Value: "UTC"},
	}
}

func ids(c Comparison) []string {
	var out []string
	for _, f := range c.Findings {
		out = append(out, f.ID)
	}
	return out
}

func pickNamed(s *snapshot.Snapshot, name string) *snapshot.Service {
	return &s.Services[slices.IndexFunc(s.Services, func(svc snapshot.Service) bool { return svc.Name == name })]
}

func remove(s *snapshot.Snapshot, name string) {
	s.Services = slices.DeleteFunc(s.Services, func(svc snapshot.Service) bool { return svc.Name == name })
	delete(s.Details.Configs, name)
	delete(s.Details.Versions, name)
}

func scale(samples []float64, by float64) {
	for i := range samples {
		samples[i] *= by
	}
}

// TestNoSecretIsShown puts a value where only a hash belongs, and looks for it in all that is made.
func TestNoSecretIsShown(t *testing.T) {
	in := copied(t, sound())
	for _, s := range in.sides() {
		for service := range maps.Keys(s.Details.Configs) {
			c := s.Details.Configs[service]
			for i := range c.Variables {
				if c.Variables[i].Secret {
					c.Variables[i].Value = "hunter2"
				}
			}
		}
	}
	in.Rules.Equal = []string{"API_KEY"}
	in.Rules.Secret = []string{"LOG_LEVEL"}
	variableOf(in.To, "LOG_LEVEL", func(v *snapshot.Variable) { v.Value = "hunter2" })
	without(in.To, "TOKEN")
	if data := string(encoded(t, Compare(in))); strings.Contains(data, "hunter2") || strings.Contains(data, "of development api") {
		t.Fatalf("a secret or its hash is shown: %s", data)
	}
}
