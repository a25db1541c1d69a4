package compare

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/org/promote-action/internal/promotion"
)

// random is a source of chance whose seed is told; PROMOTE_SEED gives one.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("PROMOTE_SEED"); given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatalf("PROMOTE_SEED is %q, which is no number", given)
		}
		seed = n
	}
	t.Logf("PROMOTE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// copied is an input of its own: through JSON, as a saved one.
func copied(t *testing.T, in Input) Input {
	t.Helper()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Input
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func encoded(t *testing.T, c Comparison) []byte {
	t.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// anyInput is a promotion with some things wrong and some missing, and what they are.
func anyInput(t *testing.T, r *rand.Rand) (in Input, made []string) {
	in = copied(t, sound())
	if r.IntN(2) == 0 {
		in.Rehearsal = &Rehearsal{Class: "app-only", Databases: []RehearsedData{{Database: "shop"}}}
	}
	if r.IntN(3) == 0 {
		in.PerformanceOff, in.Latency = "nobody asked", nil
	}
	if r.IntN(4) == 0 {
		in.Policy.Weights = map[string]float64{"versions.forward": float64(r.IntN(30)), "readiness.tests": r.Float64(), "schema.read": 0}
	}
	for range r.IntN(6) {
		made = append(made, apply(r, &in, worse()))
	}
	for range r.IntN(3) {
		made = append(made, apply(r, &in, missing()))
	}
	return in, made
}

func apply(r *rand.Rand, in *Input, changes []change) string {
	c := changes[r.IntN(len(changes))]
	c.do(r, in)
	return c.name
}

func points(score *float64) float64 {
	if score == nil {
		return 0
	}
	return *score
}

// notBetter fails when the second comparison looks better than the first.
func notBetter(t *testing.T, what string, before, after Comparison, made []string) {
	t.Helper()
	if points(after.Score) > points(before.Score) || after.Verdict.Reaches(Caution) && !before.Verdict.Reaches(after.Verdict) {
		t.Fatalf("%s: %s %v becomes %s %v\nin an input with %q\nbefore %s\nafter  %s", what, before.Verdict, points(before.Score), after.Verdict, points(after.Score), made, statuses(before), statuses(after))
	}
}

func statuses(c Comparison) string {
	var b bytes.Buffer
	for _, o := range c.Objectives {
		if o.Status != promotion.Pass {
			b.WriteString(o.ID + "=" + string(o.Status) + " ")
		}
	}
	return b.String()
}

// tries are how many inputs a property is held against; PROMOTE_TRIES gives another number.
func tries(t *testing.T) int {
	t.Helper()
	given := os.Getenv("PROMOTE_TRIES")
	if given == "" {
		return 500
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 1 {
		t.Fatalf("PROMOTE_TRIES is %q, which is no number of inputs", given)
	}
	return n
}

// TestMissingDataNeverRaises compares an input with the same one after a datum went missing.
func TestMissingDataNeverRaises(t *testing.T) {
	r := random(t)
	for range tries(t) {
		in, made := anyInput(t, r)
		before := Compare(in)
		less := copied(t, in)
		what := apply(r, &less, missing())
		notBetter(t, "without "+what, before, Compare(less), made)
	}
}

// TestMissingDataIsNoticed takes each datum from a sound input alone: less is measured, and that is told.
func TestMissingDataIsNoticed(t *testing.T) {
	r := random(t)
	for _, change := range missing() {
		in := copied(t, sound())
		in.Rehearsal = &Rehearsal{Class: "app-only"}
		column(r, &in, in.From, "must", map[string]string{"type": "text", "not_null": "true"})
		before := encoded(t, Compare(in))
		less := copied(t, in)
		change.do(r, &less)
		c := Compare(less)
		told := 0
		for _, a := range c.Areas {
			told += len(a.Missing)
		}
		if c.Coverage == 100 || told == 0 {
			t.Errorf("without %s the coverage is %v, and %d things are missing\n%s", change.name, c.Coverage, told, before)
		}
	}
}

// TestFailuresNeverRaise compares an input with the same one after something went wrong.
func TestFailuresNeverRaise(t *testing.T) {
	r := random(t)
	for range tries(t) {
		in, made := anyInput(t, r)
		before := Compare(in)
		bad := copied(t, in)
		what := apply(r, &bad, worse())
		notBetter(t, what, before, Compare(bad), made)
	}
}

// TestOrderChangesNothing shuffles every list of an input.
func TestOrderChangesNothing(t *testing.T) {
	r := random(t)
	for range max(1, tries(t)/5) {
		in, made := anyInput(t, r)
		want := encoded(t, Compare(in))
		if again := encoded(t, Compare(copied(t, in))); !bytes.Equal(want, again) {
			t.Fatalf("the same input gives other bytes, with %q:\n%s\n%s", made, want, again)
		}
		other := copied(t, in)
		shuffleInput(r, &other)
		if got := encoded(t, Compare(other)); !bytes.Equal(want, got) {
			t.Fatalf("another order gives other bytes, with %q:\n%s\n%s", made, want, got)
		}
	}
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

func shuffleInput(r *rand.Rand, in *Input) {
	shuffle(r, in.Tests)
	shuffle(r, in.Preflight)
	shuffle(r, in.Lineages)
	shuffle(r, in.Latency)
	shuffle(r, in.Probes)
	shuffle(r, in.Accepted)
	shuffle(r, in.FlagSources)
	for _, s := range in.sides() {
		if s == nil {
			continue
		}
		shuffle(r, s.Services)
		shuffle(r, s.Servers)
		shuffle(r, s.Missing)
		for i := range s.Services {
			shuffle(r, s.Services[i].Containers)
		}
		if s.Details == nil {
			continue
		}
		shuffle(r, s.Details.Flags)
		shuffle(r, s.Details.Catalogs)
		for i := range s.Details.Catalogs {
			shuffle(r, s.Details.Catalogs[i].Objects)
			shuffle(r, s.Details.Catalogs[i].Tables)
		}
		for _, c := range s.Details.Configs {
			shuffle(r, c.Variables)
			shuffle(r, c.Mounts)
			shuffle(r, c.Networks)
			shuffle(r, c.Labels)
		}
	}
}

// TestLostPointsAddUp wants the lost points of all objectives to be exactly what the score lacks, each with its reason.
func TestLostPointsAddUp(t *testing.T) {
	r := random(t)
	for range tries(t) {
		in, made := anyInput(t, r)
		c := Compare(in)
		if c.Score == nil {
			continue
		}
		sum := int64(0)
		for _, o := range c.Objectives {
			sum += int64(math.Round(10 * o.Lost))
			if (o.Lost > 0) != slices.Contains([]promotion.Status{promotion.Warn, promotion.Fail, promotion.Error}, o.Status) && o.Weight > 0.2 {
				t.Fatalf("%s is %s and loses %v points, with %q", o.ID, o.Status, o.Lost, made)
			}
			if o.Lost > 0 && o.Why == "" {
				t.Fatalf("%s loses %v points and does not say why, with %q", o.ID, o.Lost, made)
			}
		}
		if sum+int64(math.Round(10*(*c.Score))) != 1000 {
			t.Fatalf("score %v and %v points lost, with %q", *c.Score, float64(sum)/10, made)
		}
		if *c.Score > *c.Measured || c.Why == "" {
			t.Fatalf("score %v, measured %v, why %q", *c.Score, *c.Measured, c.Why)
		}
	}
}
