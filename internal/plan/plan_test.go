package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

var update = flag.Bool("update", false, "write the golden files anew")

func service(name, image string, change func(*snapshot.Service)) snapshot.Service {
	s := snapshot.Service{Name: name, Containers: []snapshot.Container{{ID: "c-" + name, Name: "shop-" + name + "-1", Image: name + ":" + image, ImageID: "sha256:" + image + name, State: "running"}}}
	if change != nil {
		change(&s)
	}
	return s
}

// shop is the input of an ordinary promotion: two services, a one-shot, a database.
func shop() Input {
	rights := snapshot.Rights{CreateDB: true, Owner: true, Signal: true}
	to := snapshot.Snapshot{
		Environment: "staging", Project: "shop-staging",
		Services: []snapshot.Service{
			service("api", "1", nil),
			service("db", "pg", func(s *snapshot.Service) { s.Database = true }),
			service("migrate", "1", func(s *snapshot.Service) { s.OneShot, s.Containers[0].State = true, "exited" }),
			service("web", "1", nil),
		},
		Servers: []snapshot.Server{{Service: "db", Name: "db", Version: "15.18", Number: 150018, User: "shop", Databases: []snapshot.Database{{Name: "shop", Size: 1 << 30, Rights: rights}}}},
		Volumes: []snapshot.Volume{{Name: "shop-staging_uploads", Key: "uploads", Services: []string{"api"}}, {Name: "shop-staging_data", Key: "data", Services: []string{"db"}}},
	}
	from := snapshot.Snapshot{Environment: "development", Project: "shop-dev", Servers: []snapshot.Server{{Service: "db", Name: "db", Version: "15.18", Number: 150018}}}
	release := Release{Commit: strings.Repeat("ab", 20), Branch: "main"}
	for _, name := range []string{"api", "db", "migrate", "web"} {
		release.Images = append(release.Images, step.Image{Service: name, Ref: name + ":2", ID: "sha256:2" + name, Size: 10 << 20})
	}
	release.Images[1].ID = "sha256:pgdb"
	release.ID = release.Name()
	healthy := []Dependency{{Service: "db", Condition: "service_healthy"}}
	return Input{
		From: from, To: to, Release: release, ID: "20260131-235959-17", Tool: "test", Now: time.Date(2026, 1, 31, 23, 59, 59, 7, time.UTC), Dump: true, Backup: "staging-backup-20260131-235959",
		Services: []Service{
			{Name: "web", DependsOn: []Dependency{{Service: "api", Condition: "service_healthy"}}, StartupTimeout: time.Minute},
			{Name: "api", DependsOn: append([]Dependency{{Service: "migrate", Condition: "service_completed_successfully"}}, healthy...), StartupTimeout: time.Minute, Volumes: []string{"uploads"}},
			{Name: "migrate", OneShot: true, DependsOn: healthy},
			{Name: "db", Datastore: true, Volumes: []string{"data"}},
		},
		Volumes:  map[string]string{"uploads": "snapshot"},
		Moves:    []step.Image{release.Images[0]},
		Checkout: &step.MoveCheckout{Path: "/srv/shop", Commit: release.Commit, PreviousCommit: strings.Repeat("cd", 20), PreviousBranch: "main"},
		Policy:   Policy{Settle: 5000, Deadline: 600_000, PhaseDeadline: 900_000, KeepCopies: 1},
		CopyName: func(database, kind, id string) string { return "promote." + kind + "." + id + "." + database },
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func TestPlans(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"ordinary.json": func(*Input) {},
		"dump-only.json": func(in *Input) {
			in.To.Servers[0].Databases[0].Rights = snapshot.Rights{Owner: true, Missing: []string{"ALTER ROLE shop CREATEDB", "GRANT pg_signal_backend TO shop"}}
		},
		"stateless.json": func(in *Input) {
			in.From.Servers, in.To.Servers, in.To.Volumes, in.Checkout, in.Moves, in.Dump, in.Backup = nil, nil, nil, nil, nil, false, ""
		},
	} {
		in := shop()
		change(&in)
		p, problems := Build(in)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", name, problems)
		}
		if err := p.Seal("sides"); err != nil {
			t.Fatal(err)
		}
		golden(t, name, encode(t, p))
	}
}

func TestAPlanSurvivesItsStorage(t *testing.T) {
	in := shop()
	restore, problems := BuildRestore(in, Given{Name: "staging-backup-20260101-000000", Dumps: []Dump{{Server: "db", Database: "shop", File: "databases/x", Rows: map[string]int64{"public.orders": 7}, Bytes: 9}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	ordinary, _ := Build(in)
	in.Rehearse = true
	rehearsed, _ := Build(in)
	if rehearsed.Class != Restore || !strings.Contains(rehearsed.ClassReason, "rehearsal") {
		t.Errorf("the class before a rehearsal: %s, %s", rehearsed.Class, rehearsed.ClassReason)
	}
	seen := map[string]bool{}
	for _, p := range []Plan{ordinary, rehearsed, restore, BuildBackup(in)} {
		data := encode(t, p)
		var back Plan
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, back), data) {
			t.Errorf("%s changed in its storage", p.Mode)
		}
		for i, item := range back.Steps {
			if !reflect.DeepEqual(item.Step, p.Steps[i].Step) {
				t.Errorf("%s: %#v became %#v", item.Name, p.Steps[i].Step, item.Step)
			}
			seen[fmt.Sprintf("%T", item.Step)] = true
		}
	}
	for _, kind := range step.Kinds() {
		if !seen[kind] {
			t.Errorf("no plan of this test has a step %s", kind)
		}
	}
}

func TestAPlanOfANewerVersionIsRefused(t *testing.T) {
	var p Plan
	err := json.Unmarshal([]byte(`{"steps":[{"name":"x","kind":"teleport","parameters":{}}]}`), &p)
	if err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Error(err)
	}
}

func actions(p Plan) string {
	var s []string
	for _, c := range p.Changes {
		s = append(s, c.Service+"="+string(c.Action))
	}
	return strings.Join(s, " ")
}

func find(p Plan, prefix string) []step.Item {
	return slices.DeleteFunc(slices.Clone(p.Steps), func(i step.Item) bool { return !strings.HasPrefix(i.Name, prefix) })
}

func TestWhatHappensToEachService(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*Input)
		actions string
		mode    string
		warning string
		problem string
	}{
		"ordinary": {func(*Input) {}, "db=keep migrate=run api=replace web=replace", "deploy", "", ""},
		"the same release": {func(in *Input) {
			for i, image := range in.Release.Images {
				svc, _ := in.To.Service(image.Service)
				in.Release.Images[i].ID = svc.Containers[0].ImageID
			}
		}, "db=keep migrate=run api=replace web=replace", "redeploy", "", ""},
		"another image of the database": {func(in *Input) { in.Release.Images[1].ID = "sha256:other" }, "db=keep migrate=run api=replace web=replace", "deploy", "db runs another image than in development", ""},
		"the database may be replaced":  {func(in *Input) { in.ReplaceDatastores = true }, "db=replace migrate=run api=replace web=replace", "deploy", "", ""},
		"the database does not run": {func(in *Input) {
			in.To.Services = slices.DeleteFunc(in.To.Services, func(s snapshot.Service) bool { return s.Name == "db" })
		}, "db=keep migrate=run api=replace web=replace", "deploy", "", "the datastore does not run"},
		"new at the target": {func(in *Input) {
			in.To.Services = slices.DeleteFunc(in.To.Services, func(s snapshot.Service) bool { return s.Name == "web" })
		}, "db=keep migrate=run api=replace web=start", "deploy", "", ""},
		"only at the target": {func(in *Input) {
			in.Release.Images = slices.DeleteFunc(in.Release.Images, func(i step.Image) bool { return i.Service == "web" })
		}, "db=keep migrate=run api=replace web=replace", "deploy", "", ""},
		"nowhere": {func(in *Input) {
			in.Services = append(in.Services, Service{Name: "extra"})
		}, "db=keep migrate=run api=replace extra=leave web=replace", "deploy", "", ""},
		"not in the Compose files": {func(in *Input) {
			in.Release.Images = append(in.Release.Images, step.Image{Service: "admin", ID: "sha256:a"})
			in.To.Services = append(in.To.Services, service("old", "1", nil))
		}, "db=keep migrate=run api=replace web=replace", "deploy", "admin runs in development and is not in the target's Compose files", ""},
		"nothing in common": {func(in *Input) {
			in.Services = in.Services[3:]
		}, "db=keep", "redeploy", "", "no service in common"},
		"an older database":     {func(in *Input) { in.To.Servers[0].Number, in.To.Servers[0].Version = 140010, "14.10" }, "db=keep migrate=run api=replace web=replace", "deploy", "", "a major version is not changed"},
		"a newer database":      {func(in *Input) { in.To.Servers[0].Number, in.To.Servers[0].Version = 170002, "17.2" }, "db=keep migrate=run api=replace web=replace", "deploy", "PostgreSQL 15.18 in development, 17.2 at the target", ""},
		"a volume nobody named": {func(in *Input) { in.Volumes = nil }, "db=keep migrate=run api=replace web=replace", "deploy", "volume shop-staging_uploads of api is not covered by a rollback", ""},
		"another datastore": {func(in *Input) {
			in.Services = append(in.Services, Service{Name: "cache", Datastore: true})
			in.To.Services = append(in.To.Services, service("cache", "1", nil))
		}, "db=keep migrate=run api=replace cache=keep web=replace", "deploy", "cache keeps state that a rollback does not bring back", ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := shop()
			test.change(&in)
			p, problems := Build(in)
			if got := actions(p); got != test.actions || p.Mode != test.mode {
				t.Errorf("%s, %s", got, p.Mode)
			}
			if test.warning != "" && !strings.Contains(strings.Join(p.Warnings, "\n"), test.warning) {
				t.Errorf("warnings: %q", p.Warnings)
			}
			if (test.problem != "") != (len(problems) > 0) || len(problems) > 0 && !strings.Contains(problems[0].Message, test.problem) {
				t.Errorf("problems: %+v", problems)
			}
			for _, c := range p.Changes {
				if c.Reason == "" {
					t.Errorf("%s: no reason", c.Service)
				}
			}
		})
	}
}

func TestJobsThatWaitForServicesAreLeftToCompose(t *testing.T) {
	in := shop()
	in.Services = append(in.Services, Service{Name: "seed", OneShot: true, DependsOn: []Dependency{{Service: "api"}}}, Service{Name: "index", OneShot: true, DependsOn: []Dependency{{Service: "migrate"}}})
	for _, name := range []string{"seed", "index"} {
		in.Release.Images = append(in.Release.Images, step.Image{Service: name, ID: "sha256:2" + name})
	}
	p, problems := Build(in)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var early []string
	for _, item := range find(p, "run-job") {
		early = append(early, strings.TrimPrefix(item.Name, "run-job "))
	}
	if !reflect.DeepEqual(early, []string{"migrate", "index"}) {
		t.Errorf("early: %q", early)
	}
	start := find(p, "start-services")[0].Step.(*step.StartServices)
	if !reflect.DeepEqual(start.Services, []string{"api", "web", "seed"}) || !reflect.DeepEqual(start.JobsDone, []string{"migrate", "index"}) || !reflect.DeepEqual(start.Keep, []string{"db"}) {
		t.Errorf("%+v", start)
	}
	stop := find(p, "stop-services")[0].Step.(*step.StopServices)
	if !reflect.DeepEqual(stop.Services, []string{"web", "api", "migrate"}) {
		t.Errorf("stop: %q", stop.Services)
	}
}

func TestTheWayBackIsDecidedByRights(t *testing.T) {
	for _, test := range []struct {
		rights snapshot.Rights
		way    step.Way
	}{
		{snapshot.Rights{Superuser: true}, step.Clone},
		{snapshot.Rights{CreateDB: true, Owner: true, Signal: true}, step.Clone},
		{snapshot.Rights{CreateDB: true, Owner: true}, step.Clone},
		{snapshot.Rights{CreateDB: true, Signal: true}, step.Load},
		{snapshot.Rights{Owner: true, Signal: true}, step.Load},
		{snapshot.Rights{}, step.Load},
	} {
		in := shop()
		in.To.Servers[0].Databases[0].Rights = test.rights
		p, _ := Build(in)
		if c := find(p, "copy-database")[0].Step.(*step.CopyDatabase); c.Way != test.way {
			t.Errorf("%+v: %s", test.rights, c.Way)
		}
		if warned := strings.Contains(strings.Join(p.Warnings, "\n"), "may not clone it"); warned != (test.way == step.Load) {
			t.Errorf("%+v: %q", test.rights, p.Warnings)
		}
	}
}

// Whatever order the engine and Compose list things in, the plan is the same.
func TestTheFingerprintDoesNotDependOnOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	of := func(in Input) string {
		p, _ := Build(in)
		if err := p.Seal("sides"); err != nil {
			t.Fatal(err)
		}
		return p.Fingerprint
	}
	want := of(shop())
	for range 200 {
		in := shop()
		r.Shuffle(len(in.Services), func(i, j int) { in.Services[i], in.Services[j] = in.Services[j], in.Services[i] })
		for _, s := range in.Services {
			r.Shuffle(len(s.DependsOn), func(i, j int) { s.DependsOn[i], s.DependsOn[j] = s.DependsOn[j], s.DependsOn[i] })
		}
		r.Shuffle(len(in.To.Services), func(i, j int) { in.To.Services[i], in.To.Services[j] = in.To.Services[j], in.To.Services[i] })
		in.Now = in.Now.Add(time.Duration(r.IntN(1000)) * time.Hour)
		in.ID = fmt.Sprintf("20260131-235959-%d", r.IntN(1000))
		if got := of(in); got != want {
			t.Fatalf("another fingerprint for %v", in.Services)
		}
	}
	for name, change := range map[string]func(*Input){
		"image":   func(in *Input) { in.Release.Images[0].ID = "sha256:3" },
		"commit":  func(in *Input) { in.Release.Commit = "x" },
		"running": func(in *Input) { in.To.Services[0].Containers[0].ImageID = "sha256:0" },
		"policy":  func(in *Input) { in.Policy.Deadline++ },
		"volume":  func(in *Input) { in.Volumes = nil },
	} {
		in := shop()
		change(&in)
		if of(in) == want {
			t.Errorf("%s changed and the fingerprint did not", name)
		}
	}
}

func TestEstimatesGrowWithWhatIsMoved(t *testing.T) {
	of := func(size int64) Estimate {
		in := shop()
		in.To.Servers[0].Databases[0].Size = size
		p, _ := Build(in)
		return p.Estimate
	}
	small, large := of(1<<30), of(50<<30)
	if small.Downtime <= 0 || large.Downtime < 40*small.Downtime/4 || large.Disk != 75<<30+20<<20 || small.ImageBytes != 10<<20 || small.Total < small.Downtime {
		t.Errorf("%+v\n%+v", small, large)
	}
}

func TestOrder(t *testing.T) {
	names := func(list []Service) string {
		var n []string
		for _, s := range list {
			n = append(n, s.Name)
		}
		return strings.Join(n, " ")
	}
	on := func(name string, deps ...string) Service {
		s := Service{Name: name}
		for _, d := range deps {
			s.DependsOn = append(s.DependsOn, Dependency{Service: d})
		}
		return s
	}
	for want, list := range map[string][]Service{
		"":        nil,
		"a b c":   {on("c"), on("b"), on("a")},
		"c b a":   {on("a", "b"), on("b", "c"), on("c")},
		"b a":     {on("a", "b", "gone"), on("b")},
		"c b a d": {on("a", "b"), on("b", "c"), on("c", "a"), on("d")}, // a cycle ends
	} {
		if got := names(Order(list)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPhasesOfAPlan(t *testing.T) {
	p, _ := Build(shop())
	last := -1
	for _, item := range p.Steps {
		at := slices.Index(promotion.Forward, item.Phase)
		if at < last {
			t.Errorf("%s of %s comes late", item.Name, item.Phase)
		}
		last = at
	}
	names := map[string]bool{}
	for _, item := range p.Steps {
		if names[item.Name] {
			t.Errorf("%s twice", item.Name)
		}
		names[item.Name] = true
	}
}
