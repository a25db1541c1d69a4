package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/org/promote-action/internal/promotion"
)

// A release answers too slowly when its median is this many times the one before, and this many milliseconds above it: small
// figures double by chance, and large ones are not worth a rollback when they grow a little.
const (
	slowerTimes = 5
	slowerBy    = 150
)

// regressed holds the checks of a new release against those before the promotion and those of the source, changes the
// results that are worse, and reports whether one may become better by waiting: answers may be slow while caches fill.
func regressed(results, before, source []promotion.Check) bool {
	slow := false
	for i, r := range results {
		if r.Status != promotion.Pass || r.Category != "api" {
			continue
		}
		was, tested := valueOf(before, r), valueOf(source, r)
		switch {
		case r.Name == "version" && tested != "" && r.Value != tested && r.Value == was:
			results[i].Status = promotion.Fail
			results[i].Message = fmt.Sprintf("still serves version %s; in the source it serves %s", r.Value, tested)
		case r.Name == "version" && tested != "" && r.Value != tested:
			results[i].Status = promotion.Warn
			results[i].Message = fmt.Sprintf("serves version %s; in the source it serves %s", r.Value, tested)
		case strings.HasPrefix(r.Name, "latency"):
			then, err := strconv.ParseFloat(was, 64)
			now, nerr := strconv.ParseFloat(r.Value, 64)
			if err == nil && nerr == nil && now > slowerTimes*then && now > then+slowerBy {
				slow = true
				results[i].Status = promotion.Fail
				results[i].Message = fmt.Sprintf("answers in %.0f ms, before the promotion in %.0f ms (medians)", now, then)
			}
		}
	}
	return slow
}

func valueOf(checks []promotion.Check, like promotion.Check) string {
	at := slices.IndexFunc(checks, func(c promotion.Check) bool {
		return c.Category == like.Category && c.Name == like.Name && c.Service == like.Service
	})
	if at < 0 {
		return ""
	}
	return checks[at].Value
}
