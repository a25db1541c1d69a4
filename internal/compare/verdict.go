package compare

import (
	"fmt"
	"strconv"

	"github.com/org/promote-action/internal/promotion"
)

// Reaches says whether a verdict is at least as good as a limit. Not-ready and unknown reach neither caution nor ready.
func (v Verdict) Reaches(limit Verdict) bool {
	height := func(v Verdict) int {
		switch v {
		case Ready:
			return 2
		case Caution:
			return 1
		default:
			return 0
		}
	}
	return height(v) >= height(limit)
}

// verdict decides, and says why in one sentence. A key objective that failed comes first: it is certain, and nothing that
// is still missing could win it back. Then comes what is missing: the verdict is unknown where too little was measured,
// where a key objective was not, and where the score is too low only for what is missing.
func verdict(c Comparison) (verdict Verdict, why string) {
	if n := len(c.Blocking); n > 0 {
		why = c.Blocking[0].Title + ": " + c.Blocking[0].Why
		if n > 1 {
			why = fmt.Sprintf("%s (and %d more that block)", why, n-1)
		}
		return NotReady, "not so: " + why
	}
	p := c.Policy
	switch {
	case c.Score == nil:
		return Unknown, "nothing could be measured"
	case c.Coverage < p.Coverage:
		return Unknown, fmt.Sprintf("%s %% was measured; a verdict needs %s %%", figure(c.Coverage), figure(p.Coverage))
	}
	for _, o := range c.Objectives {
		if o.Key && o.Status == promotion.Error {
			return Unknown, fmt.Sprintf("whether %s could not be found out: %s", o.Title, o.Why)
		}
	}
	score := figure(*c.Score)
	switch {
	case *c.Score >= p.Ready:
		return Ready, fmt.Sprintf("the score of %s reaches %s", score, figure(p.Ready))
	case *c.Score >= p.Caution:
		return Caution, fmt.Sprintf("the score of %s reaches %s and not %s", score, figure(p.Caution), figure(p.Ready))
	case *c.Measured >= p.Caution:
		return Unknown, fmt.Sprintf("the score of %s is below %s for what is missing: over what was measured it is %s", score, figure(p.Caution), figure(*c.Measured))
	default:
		return NotReady, fmt.Sprintf("the score of %s is below %s", score, figure(p.Caution))
	}
}

func figure(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
