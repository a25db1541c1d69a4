package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/snapshot"
	"github.com/org/promote-action/internal/step"
)

func item(t *testing.T, p Plan, name string) step.Item {
	t.Helper()
	for _, i := range p.Steps {
		if i.Name == name {
			return i
		}
	}
	t.Fatalf("no step %s", name)
	return step.Item{}
}

// TestExpect: what was measured at the target counts before the last promotion, and that before a guess; each estimate says
// which of them it is, and the downtime which guesses are in it.
func TestExpect(t *testing.T) {
	p, problems := Build(shop()) // a database of 1 GiB
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	expect := func(name string, took time.Duration, basis string) {
		t.Helper()
		if got := item(t, p, name); got.Estimate != took || got.Basis != basis {
			t.Errorf("%s: %v (%s), want %v (%s)", name, got.Estimate, got.Basis, took, basis)
		}
	}
	expect("stop-services", time.Second, "not measured")
	expect("close-database db/shop", 0, "")
	if !strings.HasPrefix(p.Estimate.Basis, "not measured: stop-services, fingerprint-database db/shop, copy-database db/shop") {
		t.Errorf("the downtime is %s", p.Estimate.Basis)
	}
	before := p.Estimate.Downtime

	p.Expect(Measured{
		Speeds: []Speed{
			{Of: Fingerprinting, Server: "db", Database: "shop", Fixed: 500, Bytes: 100e6, Took: 500, Total: 800e6},
			{Of: Cloning, Server: "db", Database: "shop", Fixed: 100, Bytes: 64 << 20, Took: 1000},
			{Of: Cloning, Server: "db", Database: "other", Fixed: 9000},
		},
		Promotion: "20260101-000000-1",
		Steps: []Earlier{
			{Step: "stop-services", Took: 2500},
			{Step: "dump-database db/shop", Took: 4000, Bytes: 512 << 20},
			{Step: "copy-database db/shop", Took: 1, Bytes: 1 << 30},
		},
	})
	expect("fingerprint-database db/shop", 4500*time.Millisecond, "measured: 200 MB/s")
	expect("copy-database db/shop", 16100*time.Millisecond, "measured: 67 MB/s")
	expect("stop-services", 2500*time.Millisecond, "as in promotion 20260101-000000-1")
	expect("dump-database db/shop", 8*time.Second, "as in promotion 20260101-000000-1")
	expect("run-job migrate", 2*time.Second, "not measured")
	expect("settle", 5*time.Second, "as configured")
	if p.Estimate.Downtime <= before || !strings.HasPrefix(p.Estimate.Basis, "not measured: run-job migrate") {
		t.Errorf("the downtime is %v (%s), was %v", p.Estimate.Downtime, p.Estimate.Basis, before)
	}

	p.Expect(Measured{Speeds: []Speed{{Of: Fingerprinting, Server: "db", Database: "shop", Missing: "no such role"}}})
	expect("fingerprint-database db/shop", 200*time.Millisecond+time.Second*1024/300, "not measured: no such role")
}

// TestDumped: a second dump is expected to take what the first took.
func TestDumped(t *testing.T) {
	in := shop()
	in.To.Servers[0].Databases[0].Rights = snapshot.Rights{}
	p, _ := Build(in)
	after := p.Dumped(&step.DumpDatabase{Server: "db", Database: "shop"}, time.Minute)
	got, was := item(t, after, "copy-database db/shop"), item(t, p, "copy-database db/shop")
	if got.Estimate != time.Minute || got.Basis != "measured: the dump before" || was.Estimate >= time.Minute {
		t.Errorf("%v (%s), was %v", got.Estimate, got.Basis, was.Estimate)
	}
	if more := after.Estimate.Downtime - p.Estimate.Downtime; more != promotion.Milliseconds(time.Minute-was.Estimate.Round(time.Second)) {
		t.Errorf("the downtime is %v longer", more)
	}
	if other := p.Dumped(&step.DumpDatabase{Server: "db", Database: "other"}, time.Minute); other.Estimate != p.Estimate {
		t.Errorf("the dump of another database changes %+v", other.Estimate)
	}
}
