package fault

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// number reads a setting of the campaign from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// workdir is in memory where there is such a place: the journal syncs every record.
func workdir(t testing.TB) string {
	t.Helper()
	if dir, err := os.MkdirTemp("/dev/shm", "promote-fault-"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		return dir
	}
	return t.TempDir()
}

// TestCampaign plays random cases. PROMOTE_FAULT_RUNS says how many, PROMOTE_FAULT_SEED which.
func TestCampaign(t *testing.T) {
	runs := number(t, "PROMOTE_FAULT_RUNS", 700)
	seed := number(t, "PROMOTE_FAULT_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	dir := workdir(t)
	outcomes := map[promotion.Outcome]int{}
	violations, processes := 0, 0
	started := time.Now()
	only := number(t, "PROMOTE_FAULT_ONLY", runs)
	for n := range runs {
		if only != runs && n != only {
			continue
		}
		r := Play(dir, Choose(rand.New(rand.NewPCG(seed, n))))
		outcomes[r.Outcome]++
		processes += r.Processes
		if len(r.Violations) > 0 {
			violations++
			if violations <= 3 {
				t.Errorf("seed %d run %d: %s", seed, n, r.Report())
			}
		}
	}
	t.Logf("%v, %d processes, %s", outcomes, processes, time.Since(started).Round(time.Millisecond))
	t.Logf("model: runs=%d violations=%d", runs, violations)
	if violations > 0 {
		t.Fail()
	}
}

// shapes are those that the exhaustive tests go through.
var shapes = []Shape{
	{Databases: 1, Job: true},
	{Databases: 2, Job: true, Volume: true, Checkout: true},
	{Load: true, Databases: 1, Job: true, Volume: true},
	{Databases: 1, Job: true, Volume: true, Broken: JobDeletes},
	{Load: true, Databases: 2, Broken: Unhealthy},
	{Databases: 1, Broken: StartChanges, Checkout: true},
	{Given: true, Databases: 2, Volume: true},
	{Given: true, Databases: 1, Broken: ChecksFail},
}

// TestEveryMoment kills at every single moment of a promotion, and once more at a moment of the recovery.
func TestEveryMoment(t *testing.T) {
	seed := number(t, "PROMOTE_FAULT_SEED", uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := workdir(t)
	runs, violations := 0, 0
	kinds := []Kind{Kill}
	if os.Getenv("PROMOTE_FAULT_RUNS") != "" {
		kinds = append(kinds, Reboot)
	}
	for _, shape := range shapes {
		plain := Play(dir, Case{Shape: shape})
		if len(plain.Violations) > 0 {
			t.Fatal(plain.Report())
		}
		for at := 1; at <= plain.Moments[0]; at++ {
			for _, kind := range kinds {
				c := Case{Shape: shape, Faults: [][]Fault{{{At: at, Kind: kind}}}, Torn: at%2 == 0}
				if random.IntN(2) == 0 {
					c.Faults = append(c.Faults, []Fault{one(random, 60)})
				}
				r := Play(dir, c)
				runs++
				if len(r.Violations) > 0 {
					violations++
					if violations <= 3 {
						t.Error(r.Report())
					}
				}
			}
		}
	}
	t.Logf("every moment: runs=%d violations=%d", runs, violations)
	if violations > 0 {
		t.Fail()
	}
}
