package config

import (
	"maps"
	"slices"
	"strings"
)

// nearest returns the candidate that is most like name, or nothing when none is like it: at most a third of the letters
// differ, and at least one may (a swapped pair counts once), or one begins with the other. Names of one or two letters
// are like nothing.
func nearest(name string, candidates []string) string {
	if len(name) < 3 {
		return ""
	}
	best, distance := "", max(1, len([]rune(name))/3)
	for _, candidate := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(candidate)); d <= distance && (best == "" || d < distance) {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return best
	}
	for _, candidate := range candidates {
		if strings.HasPrefix(candidate, name) || (len(candidate) > 2 && strings.HasPrefix(name, candidate)) {
			return candidate
		}
	}
	return ""
}

// suggest words a hint for a name that is not among the known ones; kind is their plural.
func suggest(name string, known []string, kind string) string {
	if len(known) == 0 {
		return "there are no " + kind
	}
	list := "known " + kind + ": " + strings.Join(known, ", ")
	if like := nearest(name, known); like != "" {
		return "did you mean " + like + "? " + list
	}
	return list
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return max(len(x), len(y))
	}
	var before, last []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(x); i++ {
		before, last, row = last, row, make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(y)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
