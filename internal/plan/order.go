package plan

import (
	"cmp"
	"slices"
	"strings"
)

// Order sorts services so that every one comes after those it depends on, and by name where that leaves a choice. A cycle,
// which Compose refuses anyway, is broken at the last name.
func Order(services []Service) []Service {
	byName := map[string]Service{}
	for _, s := range services {
		byName[s.Name] = s
	}
	sorted := slices.Clone(services)
	slices.SortFunc(sorted, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	var out []Service
	seen := map[string]bool{}
	var visit func(s Service)
	visit = func(s Service) {
		if seen[s.Name] {
			return
		}
		seen[s.Name] = true
		deps := slices.Clone(s.DependsOn)
		slices.SortFunc(deps, func(a, b Dependency) int { return cmp.Compare(a.Service, b.Service) })
		for _, d := range deps {
			if dep, ok := byName[d.Service]; ok {
				visit(dep)
			}
		}
		out = append(out, s)
	}
	for _, s := range sorted {
		visit(s)
	}
	return out
}

func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// name is an image for people: its name with the beginning of its id.
func name(ref, id string) string {
	if ref == "" || strings.HasPrefix(ref, "sha256:") {
		return short(id)
	}
	return ref + " " + short(id)
}
