package report

import (
	"fmt"

	"github.com/org/promote-action/internal/promotion"
	"github.com/org/promote-action/internal/text"
)

// proofRows are the items worth a row, differences first, and how many of all items are equal. Of many equal items only the
// first have a row.
func proofRows(p *promotion.Proof) (shown []promotion.ProofItem, equal int) {
	const mostDifferent, mostEqual = 100, 30
	var same []promotion.ProofItem
	for _, item := range p.Items {
		if item.Equal {
			same = append(same, item)
		} else if len(shown) < mostDifferent {
			shown = append(shown, item)
		}
	}
	first, _ := head(same, mostEqual)
	return append(shown, first...), len(same)
}

func difference(item promotion.ProofItem) string {
	if item.Want == "" && item.Got == "" {
		return item.Reason
	}
	d := fmt.Sprintf("is %s, has to be %s", orNothing(item.Got), orNothing(item.Want))
	if item.Reason != "" {
		d += ": " + item.Reason
	}
	return d
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func proofVerdict(p *promotion.Proof, shown, equal int) text.Span {
	all := len(p.Items)
	rest := ""
	if shown < all {
		rest = fmt.Sprintf(" (%d shown)", shown)
	}
	switch {
	case all == 0:
		return text.S(text.Bad, "nothing was compared, so nothing is proved")
	case equal == all && p.Equal:
		return text.S(text.Plain, fmt.Sprintf("all %d equal%s", all, rest))
	default:
		return text.S(text.Bad, fmt.Sprintf("%d of %d equal%s: not proved", equal, all, rest))
	}
}
