package compare

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// What says which of two images is newer.
const (
	byGit     = "git"
	byVersion = "version"
	byCommit  = "commit"
	byDate    = "build date"
)

// direction says where one version stands to another, and what says so: git, the version label where both are numbers, or
// the date on which the images were built, in this order.
func direction(in Input, from, to Version) (d Direction, by string) {
	if from.ImageID != "" && from.ImageID == to.ImageID || from.Digest != "" && from.Digest == to.Digest {
		return Same, "image"
	}
	if from.Revision != "" && from.Revision == to.Revision {
		return Same, byCommit
	}
	if l := lineage(in, from.Revision, to.Revision); l != nil && l.Direction != UnknownDirection && l.Direction != "" {
		return l.Direction, byGit
	}
	if order, ok := versionOrder(from.Version, to.Version); ok && order != 0 {
		return towards(order), byVersion
	}
	if !from.Created.IsZero() && !to.Created.IsZero() && !from.Created.Equal(to.Created) {
		return towards(from.Created.Compare(to.Created)), byDate
	}
	return UnknownDirection, ""
}

func towards(order int) Direction {
	if order > 0 {
		return Ahead
	}
	return Behind
}

// lineage is what git said of two revisions; of several answers the one that costs most.
func lineage(in Input, from, to string) *Lineage {
	worst := []Direction{Behind, Diverged, Same, Ahead}
	var found *Lineage
	for i := range in.Lineages {
		l := &in.Lineages[i]
		if from == "" || l.From != from || l.To != to {
			continue
		}
		place := func(l *Lineage) int {
			if i := slices.Index(worst, l.Direction); i >= 0 {
				return i
			}
			return len(worst)
		}
		if found == nil || place(l) < place(found) {
			found = l
		}
	}
	return found
}

// versionOrder compares two versions as Semantic Versioning 2.0.0 §11 orders them, with a leading v and any number of
// parts; it is false where one of them is none.
func versionOrder(a, b string) (order int, ok bool) {
	left, leftPre, ok := versionParts(a)
	if !ok {
		return 0, false
	}
	right, rightPre, ok := versionParts(b)
	if !ok {
		return 0, false
	}
	for len(left) < len(right) {
		left = append(left, 0)
	}
	for len(right) < len(left) {
		right = append(right, 0)
	}
	if order := slices.Compare(left, right); order != 0 {
		return order, true
	}
	switch {
	case leftPre == rightPre:
		return 0, true
	case leftPre == "":
		return 1, true
	case rightPre == "":
		return -1, true
	}
	return slices.CompareFunc(strings.Split(leftPre, "."), strings.Split(rightPre, "."), compareIdentifiers), true
}

func versionParts(v string) (numbers []uint64, pre string, ok bool) {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "+")
	v, pre, _ = strings.Cut(v, "-")
	for part := range strings.SplitSeq(v, ".") {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return nil, "", false
		}
		numbers = append(numbers, n)
	}
	return numbers, pre, true
}

// compareIdentifiers orders two parts of a pre-release: numbers by size and before words.
func compareIdentifiers(a, b string) int {
	m, errA := strconv.ParseUint(a, 10, 64)
	n, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(m, n)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	default:
		return strings.Compare(a, b)
	}
}
