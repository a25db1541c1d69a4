package snapshot

import (
	"cmp"
	"slices"
)

// SortVariables puts variables into the order of their names.
func SortVariables(all []Variable) {
	slices.SortStableFunc(all, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
}
