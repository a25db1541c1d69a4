package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// tenths are points of the score or percent of coverage in tenths, so that sums are exact.
type tenths int64

const full tenths = 1000

func (t tenths) points() float64 { return float64(t) / 10 }

// maxWeight bounds a weight that a configuration gives, so that sums stay exact.
const maxWeight = 1e6

// tally is what a set of objectives adds up to, in thousandths of a weight, doubled so that half a weight is whole.
type tally struct{ earned, measured, possible int64 }

func (t *tally) add(o Objective) {
	w := units(o.Weight)
	if o.Status == promotion.Skip {
		return
	}
	t.possible += w
	if o.Status != promotion.Error {
		t.measured += w
	}
	t.earned += earned(o)
}

func units(weight float64) int64 {
	if math.IsNaN(weight) || weight < 0 {
		return 0
	}
	return 2 * int64(math.Round(1000*min(weight, maxWeight)))
}

func earned(o Objective) int64 {
	switch o.Status {
	case promotion.Pass:
		return units(o.Weight)
	case promotion.Warn:
		return units(o.Weight) / 2
	default:
		return 0
	}
}

// share is part of whole in tenths of a percent, rounded down: a limit is reached, never nearly reached.
func share(part, whole int64) tenths {
	if whole == 0 {
		return 0
	}
	return tenths(part * int64(full) / whole)
}

// score is what is certain: what could not be measured has earned nothing, so that a datum that goes missing never raises
// it. The second figure is the same over what was measured alone.
func (t tally) score() (score, measured *float64) {
	if t.measured == 0 {
		return nil, nil
	}
	s, m := share(t.earned, t.possible).points(), share(t.earned, t.measured).points()
	return &s, &m
}

func (t tally) coverage() float64 { return share(t.measured, t.possible).points() }

// judge gives every objective its status from the findings and from what is missing, and its weight from the policy.
func judge(objectives []Objective, findings []Finding, weights map[string]float64) {
	worst := map[string]Finding{}
	count := map[string]int{}
	for _, f := range findings {
		if f.Accepted != nil || f.Severity == Info {
			continue
		}
		count[f.Objective]++
		if w, ok := worst[f.Objective]; !ok || compareFindings(f, w) < 0 {
			worst[f.Objective] = f
		}
	}
	for i := range objectives {
		o := &objectives[i]
		if w, ok := weights[o.ID]; ok {
			o.Weight = w
		}
		o.Count = count[o.ID]
		f, lowered := worst[o.ID]
		switch {
		case lowered && f.Severity == Fail && o.Status == promotion.Error && !o.Key: // it earns nothing either way, and is not measured
			o.Why, o.Do = f.Message+"; besides, "+o.Why, f.Do
		case lowered && f.Severity == Fail:
			o.Status, o.Why, o.Do = promotion.Fail, f.Message, f.Do
		case o.Status == promotion.Error:
		case lowered:
			o.Status, o.Why, o.Do = promotion.Warn, f.Message, f.Do
		case o.Status == "":
			o.Status = promotion.Pass
		}
	}
}

// lose shares what the score lacks among the objectives that lost something, to the tenth of a point: by the largest
// remainder, so that the parts add up to the whole.
func lose(objectives []Objective, t tally) {
	if t.possible == 0 || t.measured == 0 {
		return
	}
	type part struct {
		index     int
		remainder int64
	}
	left := full - share(t.earned, t.possible)
	var parts []part
	for i := range objectives {
		o := &objectives[i]
		if o.Status == promotion.Skip {
			continue
		}
		lost := (units(o.Weight) - earned(*o)) * int64(full)
		if lost == 0 {
			continue
		}
		whole := lost / t.possible
		o.Lost = tenths(whole).points()
		left -= tenths(whole)
		parts = append(parts, part{i, lost % t.possible})
	}
	slices.SortStableFunc(parts, func(a, b part) int { return cmp.Compare(b.remainder, a.remainder) })
	for _, p := range parts[:min(int(left), len(parts))] {
		o := &objectives[p.index]
		o.Lost = (tenths(math.Round(10*o.Lost)) + 1).points()
	}
}

func rank(s Severity) int {
	switch s {
	case Fail:
		return 0
	case Warn:
		return 1
	default:
		return 2
	}
}

// hazards are all of them, worst first.
func hazards() []Hazard {
	return []Hazard{DeletesData, FailsOnRows, MayFailOnRows, BreaksOldCode, RewritesTable, LocksTable, BuildsIndex, ChangesBehavior}
}

func worstHazard(f Finding) int {
	least := len(hazards())
	for _, h := range f.Hazards {
		if i := slices.Index(hazards(), h); i >= 0 {
			least = min(least, i)
		}
	}
	return least
}

// compareFindings is the order in which findings are shown: by area; what deletes data first, accepted or not; then by
// severity, hazard and ID.
func compareFindings(a, b Finding) int {
	deletes := func(f Finding) int {
		if slices.Contains(f.Hazards, DeletesData) {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(slices.Index(Areas(), a.Area), slices.Index(Areas(), b.Area)),
		cmp.Compare(deletes(a), deletes(b)),
		cmp.Compare(rank(a.Severity), rank(b.Severity)),
		cmp.Compare(worstHazard(a), worstHazard(b)),
		strings.Compare(a.ID, b.ID),
		strings.Compare(a.Message, b.Message),
		strings.Compare(a.From, b.From),
		strings.Compare(a.To, b.To),
	)
}
