package compose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/filters"

	"github.com/org/promote-action/internal/engine"
)

// ofProject selects what belongs to a project, by Compose's own label.
func ofProject(project string) filters.Args {
	return filters.NewArgs(filters.Arg("label", api.ProjectLabel+"="+project))
}

// dependencies reads the label that Compose writes: "db:service_healthy:false,migrate:…".
func dependencies(label string) []engine.Dependency {
	var out []engine.Dependency
	for _, entry := range strings.Split(label, ",") {
		name, rest, _ := strings.Cut(entry, ":")
		if name == "" {
			continue
		}
		condition, _, _ := strings.Cut(rest, ":")
		if condition == "" {
			condition = engine.ConditionStarted
		}
		out = append(out, engine.Dependency{Service: name, Condition: condition})
	}
	slices.SortFunc(out, func(a, b engine.Dependency) int { return strings.Compare(a.Service, b.Service) })
	return out
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
