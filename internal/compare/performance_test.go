package compare

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/org/promote-action/internal/promotion"
)

// latencies are like those of a service: a floor, a long tail, and now and then a pause.
func latencies(r *rand.Rand, n int, by float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = by * 20 * math.Exp(0.25*r.NormFloat64())
		if r.IntN(100) == 0 {
			out[i] += 200
		}
	}
	return out
}

// sampleBoth compares one endpoint, and says what became of its objective.
func sampleBoth(l Latency) (kinds []string, status promotion.Status) {
	l.Service, l.Path = "api", "/"
	a := performanceArea(Input{Latency: []Latency{l}})
	judge(a.objectives, a.findings, nil)
	for _, f := range a.findings {
		kinds = append(kinds, f.Kind)
	}
	return kinds, a.objectives[0].Status
}

// TestSamplesOfOneService compares a service with itself and with slower ones: no more than 1 % alarm, nothing that is
// half as slow again goes unseen, and few samples say nothing.
func TestSamplesOfOneService(t *testing.T) {
	r := random(t)
	const runs = 300
	rate := func(n int, by float64) (alarms, unseen, unknown int) {
		for range runs {
			switch _, status := sampleBoth(Latency{From: latencies(r, n, by), To: latencies(r, n, 1)}); status {
			case promotion.Pass:
				unseen++
			case promotion.Error:
				unknown++
			default:
				alarms++
			}
		}
		return alarms, unseen, unknown
	}
	if alarms, _, unknown := rate(50, 1); alarms > runs/100 || unknown > runs/10 {
		t.Errorf("of %d comparisons with itself %d alarm and %d are inconclusive", runs, alarms, unknown)
	}
	if alarms, unseen, _ := rate(50, 1.5); unseen > 0 || alarms < runs*95/100 {
		t.Errorf("of %d that are half as slow again %d are seen, and %d pass", runs, alarms, unseen)
	}
	if alarms, unseen, _ := rate(19, 3); alarms > 0 || unseen > 0 {
		t.Errorf("19 samples say something: %d alarm, %d pass", alarms, unseen)
	}
}

// TestNoSlowerIsMeant wants few of those that are slower than the limit to pass for no slower: samples that vary too much
// have to be inconclusive.
func TestNoSlowerIsMeant(t *testing.T) {
	r := random(t)
	noisy := func(by float64) []float64 {
		out := make([]float64, 30)
		for i := range out {
			out[i] = by * (10 + 500*r.Float64())
		}
		return out
	}
	const runs = 300
	passed := 0
	for range runs {
		if _, status := sampleBoth(Latency{From: noisy(1.25), To: noisy(1)}); status == promotion.Pass {
			passed++
		}
	}
	if passed > runs/10 {
		t.Errorf("%d of %d that are a quarter slower pass", passed, runs)
	}
}

// TestHodgesLehmann holds the estimate against samples whose shift is known.
func TestHodgesLehmann(t *testing.T) {
	from, to := []float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}
	if shift, upper := hodgesLehmann(from, to); shift != 4 || upper != 6 {
		t.Errorf("shift %v, upper end %v", shift, upper)
	}
	equal := []float64{1, 1, 1}
	if shift, upper := hodgesLehmann(equal, equal); shift != 0 || upper != 0 {
		t.Errorf("shift %v, upper end %v", shift, upper)
	}
}

// TestOddSamples are what no division may meet.
func TestOddSamples(t *testing.T) {
	same := make([]float64, 40)
	nothing := make([]float64, 40)
	broken := make([]float64, 40)
	for i := range same {
		same[i], broken[i] = 3, math.NaN()
	}
	many := latencies(random(t), 5000, 1)
	for name, c := range map[string]struct {
		l    Latency
		want promotion.Status
	}{
		"all equal": {Latency{From: same, To: same}, promotion.Pass},
		"all zero":  {Latency{From: nothing, To: nothing}, promotion.Pass},
		"no number": {Latency{From: broken, To: same}, promotion.Error},
		"none":      {Latency{}, promotion.Error},
		"all fail":  {Latency{FromErrors: 40, ToErrors: 40}, promotion.Error},
		"very many": {Latency{From: many, To: many}, promotion.Pass},
	} {
		if _, got := sampleBoth(c.l); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
