package compare

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/aclements/go-moremath/stats"
)

// Limits of what counts as slower. A difference has to be all of it: significant, large in effect and large in time.
const (
	minSamples  = 20    // a side and endpoint; fewer are inconclusive
	maxSamples  = 1000  // a side and endpoint that are looked at
	alpha       = 0.01  // of all endpoints together
	quantile95  = 1.645 // of the normal distribution: "no slower" is wrong in 1 of 20 at the limit (Schuirmann 1987)
	warnEffect  = 0.33  // Cliff's delta: medium, after Romano et al. 2006
	failEffect  = 0.474 // large
	warnShare   = 0.20  // of the target's median
	failShare   = 0.50
	leastShift  = 2.0 // milliseconds
	warnErrors  = 0.01
	failErrors  = 0.05
	performance = "performance."
)

// performanceArea compares latencies and failures of the same endpoints on both sides.
func performanceArea(in Input) areaFindings {
	a := area(Performance)
	switch {
	case in.PerformanceOff != "":
		a.skip(in.PerformanceOff)
		return *a
	case len(in.Latency) == 0:
		a.miss("no endpoint was sampled", "name endpoints under compare.performance in the configuration")
		return *a
	}
	list := slices.Clone(in.Latency)
	slices.SortStableFunc(list, func(a, b Latency) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Path, b.Path), strings.Compare(a.Error, b.Error),
			cmp.Compare(len(a.From), len(b.From)), slices.Compare(a.From, b.From), slices.Compare(a.To, b.To))
	})
	for _, l := range list {
		endpoint := sampled{areaFindings: a, in: in, l: l, subject: l.Service + l.Path, among: len(list)}
		if l.Error != "" {
			a.miss(fmt.Sprintf("%s was not sampled: %s", endpoint.subject, l.Error), "")
			continue
		}
		endpoint.latency()
		endpoint.failures()
	}
	return *a
}

// sampled is one endpoint with its samples.
type sampled struct {
	*areaFindings
	in      Input
	l       Latency
	subject string
	among   int
}

func (s sampled) latency() {
	const objective = performance + "latency"
	from, to := thin(s.l.From), thin(s.l.To)
	if limit := s.in.Services[s.l.Service].P95; limit > 0 && len(from) >= minSamples {
		if p95 := percentile(from, 0.95); p95 > limit {
			s.report(objective, "over-threshold", Fail, ms(p95), "limit "+ms(limit), fmt.Sprintf("95 %% of the requests to %s took up to %s in the source; the threshold is %s", s.subject, ms(p95), ms(limit)),
				"make it faster, or raise services."+s.l.Service+".thresholds.p95")
		}
	}
	if len(from) < minSamples || len(to) < minSamples {
		s.miss(fmt.Sprintf("%s: %d and %d samples say nothing sure; at least %d a side are needed", s.subject, len(from), len(to), minSamples), "sample for longer: compare.performance.duration", objective)
		return
	}
	p := 1.0
	test, err := stats.MannWhitneyUTest(from, to, stats.LocationDiffers)
	effect := 0.0
	switch {
	case err == nil:
		p, effect = min(1, test.P*float64(s.among)), 2*test.U/float64(len(from)*len(to))-1
	case !errors.Is(err, stats.ErrSamplesEqual):
		s.miss(fmt.Sprintf("%s: the samples cannot be compared: %v", s.subject, err), "", objective)
		return
	}
	shift, upper := hodgesLehmann(from, to)
	median := percentile(to, 0.5)
	warnLimit, failLimit := max(leastShift, warnShare*median), max(leastShift, failShare*median)
	before, after := ms(median), ms(percentile(from, 0.5))
	told := fmt.Sprintf("%s (shift %s, effect %.2f, p %.2g)", s.subject, ms(shift), effect, p)
	switch {
	case p < alpha && shift >= failLimit && effect >= failEffect:
		s.report(objective, "slower", Fail, after, before, told+" is much slower in the source", "find what made it slower before it is promoted")
	case p < alpha && shift >= warnLimit && effect >= warnEffect:
		s.report(objective, "slower", Warn, after, before, told+" is slower in the source", "find what made it slower before it is promoted")
	case upper >= warnLimit:
		s.miss(fmt.Sprintf("%s: inconclusive, the samples vary too much: the source may be slower by up to %s", s.subject, ms(upper)), "sample for longer, or on a quieter machine", objective)
	case p < alpha && -shift >= warnLimit && -effect >= warnEffect:
		s.report(objective, "faster", Info, after, before, told+" is faster in the source", "")
	}
}

// failures compares the shares of failed requests by Fisher's exact test, one-sided.
func (s sampled) failures() {
	const objective = performance + "errors"
	from, to := len(s.l.From)+s.l.FromErrors, len(s.l.To)+s.l.ToErrors
	if from < minSamples || to < minSamples {
		s.miss(fmt.Sprintf("%s: %d and %d requests say nothing sure of failures", s.subject, from, to), "sample for longer: compare.performance.duration", objective)
		return
	}
	fromRate, toRate := float64(s.l.FromErrors)/float64(from), float64(s.l.ToErrors)/float64(to)
	if limit := s.in.Services[s.l.Service].ErrorRate; limit != nil && fromRate > *limit {
		s.report(objective, "errors-over-threshold", Fail, percent(fromRate), "limit "+percent(*limit), fmt.Sprintf("%s of the requests to %s failed in the source; the threshold is %s", percent(fromRate), s.subject, percent(*limit)),
			"see its log: promote logs "+s.in.Names[0])
	}
	dist := stats.HypergeometicDist{N: from + to, K: s.l.FromErrors + s.l.ToErrors, Draws: from}
	p := 1.0
	if s.l.FromErrors > 0 {
		p = min(1, (1-dist.CDF(float64(s.l.FromErrors-1)))*float64(s.among))
	}
	more := fromRate - toRate
	if p >= alpha || more < warnErrors {
		return
	}
	severity := Warn
	if more >= failErrors {
		severity = Fail
	}
	s.report(objective, "more-errors", severity, percent(fromRate), percent(toRate), fmt.Sprintf("%s of the requests to %s fail in the source and %s at the target (p %.2g)", percent(fromRate), s.subject, percent(toRate), p), "see its log: promote logs")
}

func (s sampled) report(objective, kind string, severity Severity, from, to, message, do string) {
	f := s.add(objective, kind, s.subject, severity, message, do)
	f.From, f.To = from, to
}

// hodgesLehmann is the median of all differences between two samples, which estimates by how much the first is shifted,
// and the upper bound that it stays below with 95 % confidence (Hollander and Wolfe, Nonparametric Statistical Methods, §4.2 and 4.3,
// normal approximation).
func hodgesLehmann(from, to []float64) (shift, upper float64) {
	differences := make([]float64, 0, len(from)*len(to))
	for _, f := range from {
		for _, t := range to {
			differences = append(differences, f-t)
		}
	}
	slices.Sort(differences)
	n, m := float64(len(from)), float64(len(to))
	rank := int(n*m/2 - quantile95*math.Sqrt(n*m*(n+m+1)/12))
	return between(differences, 0.5), differences[len(differences)-max(1, rank)]
}

// percentile of samples, between the two nearest.
func percentile(samples []float64, share float64) float64 {
	return between(slices.Sorted(slices.Values(samples)), share)
}

func between(s []float64, share float64) float64 {
	at := share * float64(len(s)-1)
	low := int(at)
	high := min(low+1, len(s)-1)
	return s[low] + (at-float64(low))*(s[high]-s[low])
}

// thin takes the finite samples, evenly over time where there are too many.
func thin(samples []float64) []float64 {
	finite := slices.DeleteFunc(slices.Clone(samples), func(f float64) bool { return math.IsNaN(f) || math.IsInf(f, 0) || f < 0 })
	if len(finite) <= maxSamples {
		return finite
	}
	out := make([]float64, maxSamples)
	for i := range out {
		out[i] = finite[i*len(finite)/maxSamples]
	}
	return out
}

func ms(f float64) string { return fmt.Sprintf("%.1f ms", f) }

func percent(f float64) string { return fmt.Sprintf("%.1f %%", 100*f) }
